"""When the event was accepted that a group has to read next: from the counters, which know how many came when."""

from collections.abc import Mapping, Sequence

from stream_workers.books.series import DAY, HOUR, MINUTE, Series
from stream_workers.books.state import State


def oldest_waiting(states: Mapping[int, State], due: Mapping[int, int], ends: Mapping[int, int]) -> float | None:
    """When the oldest event was accepted that waits on any partition, in seconds since 1970; None if not known.

    ``due``: the next offset to be read of each partition of which something waits.
    """
    times = [accepted_at(states.get(partition), offset, ends.get(partition, 0)) for partition, offset in due.items()]
    known = [at for at in times if at is not None]
    return min(known) if known and len(known) == len(times) else None


def accepted_at(state: State | None, offset: int, end: int) -> float | None:
    """When the event at an offset was accepted: between two counts of the finest series that reaches back so far.

    The counters stand for the offsets: what is no application among them (dead letters, replays) is taken for one.
    """
    if state is None or state.newest_at is None:
        return None
    back = state.last_offset + 1 - offset
    if back <= 0:  # not counted yet: accepted after the newest that is
        return state.newest_at / 1000 if offset < end else None
    for width, series in ((MINUTE, state.minutes), (HOUR, state.hours), (DAY, state.days)):
        if (found := _counted_back(series, width, back, state.newest_at)) is not None:
            return found / 1000
    return min(state.days) * DAY / 1000 if state.days else None


def _counted_back(series: Series, width: int, back: int, newest_at: int) -> float | None:
    """The instant before which all but the last ``back`` events of a series came; None if it has not so many."""
    seen = 0
    for bucket in sorted(series, reverse=True):
        count = series[bucket]
        if seen + count >= back:
            ends = min((bucket + 1) * width, max(newest_at, bucket * width))
            return ends - (back - seen) / count * (ends - bucket * width)
        seen += count
    return None


def slope(points: Sequence[tuple[float, float]]) -> float | None:
    """How much a value grows each second between the first and the last of its points."""
    if len(points) < 2 or points[-1][0] - points[0][0] < 1:
        return None
    return (points[-1][1] - points[0][1]) / (points[-1][0] - points[0][0])
