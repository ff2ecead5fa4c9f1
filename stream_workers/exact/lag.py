"""How far a group is behind on every partition: in events, and in seconds."""

import time
from collections.abc import Callable
from dataclasses import dataclass

import orjson

from stream_workers.exact.changelog import Follower
from stream_workers.kafka.backlog import Backlog

# Clocks of gateways may run ahead by this much; what is dated later tells nothing.
AHEAD_SECONDS = 300.0


@dataclass(frozen=True, slots=True)
class Behind:
    """``events`` wait; ``seconds`` is the age of the oldest of them at most, None where that is not known yet."""

    events: int
    seconds: float | None


class Lag:
    """Any worker tells it for all partitions, also for those that nobody owns: from the changelog and the broker."""

    def __init__(self, follower: Follower, backlog: Backlog, *, clock: Callable[[], float] = time.time) -> None:
        self._follower = follower
        self._backlog = backlog
        self._clock = clock
        self._caught_up_at: dict[int, float] = {}

    def look(self) -> None:
        """Note who has caught up; called after each look at the broker."""
        for partition in self._backlog.ends:
            if self._events(partition) == 0:
                self._caught_up_at[partition] = self._clock()

    def behind(self) -> dict[int, Behind]:
        """Each partition's lag; nothing while the changelog has not been read or the broker has not been heard."""
        if not self._follower.complete:
            return {}
        return {partition: self._behind(partition) for partition in self._backlog.ends}

    def seconds(self, partition: int, *, events: int, newest_at: int | None) -> float | None:
        """How old what waits can be, if so many events wait and the newest that is booked is of ``newest_at`` (ms)."""
        if events == 0:
            return 0.0
        latest = self._clock() + AHEAD_SECONDS
        known = [
            at for at in (newest_at and newest_at / 1000, self._caught_up_at.get(partition)) if at and at <= latest
        ]
        return max(0.0, self._clock() - max(known)) if known else None

    def _behind(self, partition: int) -> Behind:
        events = self._events(partition)
        newest = self._follower.newest.get(partition) if events else None
        newest_at = orjson.loads(newest.value).get("newest_at") if newest else None
        return Behind(events, self.seconds(partition, events=events, newest_at=newest_at))

    def _events(self, partition: int) -> int:
        newest = self._follower.newest.get(partition)
        last = newest.rank[1] if newest else -1
        return max(0, self._backlog.ends[partition] - last - 1)
