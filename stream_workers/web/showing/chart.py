"""A chart without a script: a line, a summary in numbers, and a table by the minute."""

from collections.abc import Sequence
from typing import NamedTuple

WIDTH, HEIGHT = 600, 120

Points = Sequence[tuple[float, float | None]]


class Summary(NamedTuple):
    """The newest value and the extremes."""

    now: float
    low: float
    high: float


def summary(points: Points) -> Summary | None:
    """None where nothing is known."""
    values = [value for _, value in points if value is not None]
    return Summary(values[-1], min(values), max(values)) if values else None


def line(points: Points, *, now: float, seconds: float) -> str:
    """The points of an SVG polyline over the last ``seconds``, in a box of WIDTH by HEIGHT."""
    known = [(at, value) for at, value in points if value is not None]
    top = max((value for _, value in known), default=0) * 1.1 or 1
    return " ".join(
        f"{(1 - (now - at) / seconds) * WIDTH:.1f},{HEIGHT - value / top * HEIGHT:.1f}"
        for at, value in known
        if now - at <= seconds
    )


def table(points: Points) -> list[tuple[float, float]]:
    """The highest value of each minute, newest first; instants are the minutes' beginnings."""
    minutes: dict[int, float] = {}
    for at, value in points:
        if value is not None:
            minutes[int(at // 60)] = max(value, minutes.get(int(at // 60), 0.0))
    return [(minute * 60.0, value) for minute, value in sorted(minutes.items(), reverse=True)]
