"""How the rate of a run changes with time: when each request is due, as the inverse of how many are due by then."""

import math
from collections.abc import Callable
from typing import Literal

Profile = Literal["steady", "ramp", "spike"]
PROFILES: tuple[Profile, ...] = ("steady", "ramp", "spike")

# Outside the spike, which is the middle third.
CALM = 0.1


def due(profile: Profile, number: int, *, rate: float, seconds: float) -> float:
    """Seconds after the start at which the request of this number is due, the first being 0."""
    return _DUE[profile](number / rate, seconds)


def _steady(at_rate: float, _seconds: float) -> float:
    return at_rate


def _ramp(at_rate: float, seconds: float) -> float:
    """From nothing up to the rate at the end."""
    return math.sqrt(2 * seconds * at_rate)


def _spike(at_rate: float, seconds: float) -> float:
    """A tenth of the rate, then all of it at once, then a tenth again."""
    third = seconds / 3
    before, within = third * CALM, third * (1 + CALM)
    if at_rate < before:
        return at_rate / CALM
    if at_rate < within:
        return third + (at_rate - before)
    return 2 * third + (at_rate - within) / CALM


_DUE: dict[Profile, Callable[[float, float], float]] = {"steady": _steady, "ramp": _ramp, "spike": _spike}
