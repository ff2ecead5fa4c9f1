"""What one look of the doctor found."""

from dataclasses import dataclass
from typing import Literal

Status = Literal["ok", "warning", "failed"]


@dataclass(frozen=True, slots=True)
class Finding:
    """``what`` was looked at, what was ``found`` there, and the ``remedy`` where it is not ok."""

    status: Status
    what: str
    found: str
    remedy: str = ""


def ok(what: str, found: str) -> Finding:
    """It is as promised."""
    return Finding("ok", what, found)


def warning(what: str, found: str, remedy: str) -> Finding:
    """It works, and somebody should look at it."""
    return Finding("warning", what, found, remedy)


def failed(what: str, found: str, remedy: str) -> Finding:
    """Something that is promised does not hold while this lasts."""
    return Finding("failed", what, found, remedy)
