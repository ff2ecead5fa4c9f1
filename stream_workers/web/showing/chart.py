"""A chart without a script: lines, a summary in numbers, and a table by minutes, hours or days.

A point is an instant and one value for each line; None is a value that nobody knows.
"""

from collections.abc import Sequence
from typing import NamedTuple

WIDTH, HEIGHT = 600, 120

Points = Sequence[tuple[float, *tuple[float | None, ...]]]


class Summary(NamedTuple):
    """The newest value and the extremes."""

    now: float
    low: float
    high: float


def summary(points: Points, column: int = 1) -> Summary | None:
    """Of one line; None where nothing is known."""
    values = [value for point in points if (value := point[column]) is not None]
    return Summary(values[-1], min(values), max(values)) if values else None


def line(points: Points, *, now: float, seconds: float, column: int = 1) -> str:
    """The points of an SVG polyline over the last ``seconds``, in a box of WIDTH by HEIGHT that has room for all."""
    top = max((value for _, *values in points for value in values if value is not None), default=0) * 1.1 or 1
    return " ".join(
        f"{place(point[0], now=now, seconds=seconds):.1f},{HEIGHT - value / top * HEIGHT:.1f}"
        for point in points
        if (value := point[column]) is not None and now - point[0] <= seconds
    )


def place(at: float, *, now: float, seconds: float) -> float:
    """Where an instant is in the box, from the left."""
    return (1 - (now - at) / seconds) * WIDTH


def table(points: Points, width: int = 60) -> list[tuple[float, *tuple[float | None, ...]]]:
    """The highest values of each ``width`` seconds, newest first; instants are their beginnings."""
    rows: dict[int, list[float | None]] = {}
    for at, *values in points:
        if any(value is not None for value in values):
            known = rows.setdefault(int(at // width), [None] * len(values))
            rows[int(at // width)] = [_higher(*pair) for pair in zip(known, values, strict=True)]
    return [(float(number * width), *highest) for number, highest in sorted(rows.items(), reverse=True)]


def table_width(seconds: int) -> int:
    """How much time a row of the table covers, for a chart of so much."""
    return 60 if seconds <= 7_200 else 3_600 if seconds <= 7 * 86_400 else 86_400


def _higher(one: float | None, other: float | None) -> float | None:
    return max((value for value in (one, other) if value is not None), default=None)
