"""The last thousand outcomes as bits, so that a flood of bad events is noticed, also over restarts."""

WINDOW = 1000
BAD_MAX = 500

_MASK = (1 << WINDOW) - 1


def with_good(outcomes: int, count: int) -> int:
    """After ``count`` good events."""
    return (outcomes << min(count, WINDOW)) & _MASK


def with_bad(outcomes: int) -> int:
    """After one bad event."""
    return (outcomes << 1 | 1) & _MASK


def is_open(outcomes: int) -> bool:
    """Whether more than half of the last thousand are bad."""
    return outcomes.bit_count() > BAD_MAX
