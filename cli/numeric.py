"""Options that take a number with a fraction."""

import math
from typing import Any

import typer


def numeric(told: str, *, min: float, max: float | None = None) -> Any:  # noqa: A002 -- as for any other option
    """Such an option; ``nan`` and ``inf``, which Python lets pass all bounds, are none."""
    return typer.Option(callback=_finite, help=told, min=min, max=max)


def _finite(value: float | None) -> float | None:
    if value is not None and not math.isfinite(value):
        raise typer.BadParameter(f"{value} is no number to count with")
    return value
