"""A complete view of the counters on any worker, whoever owns the partitions: merged from the changelog."""

import time
from collections import Counter, deque
from collections.abc import Callable, Iterable

from stream_workers.books import histogram, series
from stream_workers.books.histogram import Histogram
from stream_workers.books.series import DAY, HOUR, MINUTE
from stream_workers.books.sketches.latencies import WINDOWS
from stream_workers.books.state import State, from_json
from stream_workers.books.users import distinct_users, most_active_users
from stream_workers.exact.changelog import Follower, Newest
from stream_workers.exact.lag import Lag
from stream_workers.kafka.backlog import Backlog
from stream_workers.web.look.snapshot import PartitionView, Sample, Snapshot

ACTIVE_USERS = 20
# The trend: one sample for each look at the broker that is at least this long after the last one, for 15 minutes.
SAMPLE_SECONDS = 5.0
SAMPLES = 180


class ReadModel:
    """``snapshot()`` is cheap to call often: it is merged again only when something changed.

    ``handovers``: how often a partition was seen to get another owner.
    """

    def __init__(
        self, follower: Follower, backlog: Backlog, lag: Lag, *, clock: Callable[[], float] = time.time
    ) -> None:
        self.trend: deque[Sample] = deque(maxlen=SAMPLES)
        self.handovers: Counter[int] = Counter()
        self._follower = follower
        self._backlog = backlog
        self._lag = lag
        self._clock = clock
        self._decoded: dict[int, tuple[Newest, State]] = {}
        self._made: tuple[object, Snapshot] | None = None

    @property
    def complete(self) -> bool:
        """Whether all states were read once: before that every count is too low."""
        return self._follower.complete

    def snapshot(self) -> Snapshot:
        """The counters of all partitions as of the last word from Kafka."""
        states = self.states()
        key = (
            tuple(sorted((p, id(pair[0])) for p, pair in self._decoded.items())),
            self._backlog.as_of,
            self._backlog.away_since,
            id(self._backlog.brokers),
            int(self._clock()),
        )
        if self._made is None or self._made[0] != key:
            self._made = (key, self._merge(states))
        return self._made[1]

    def states(self) -> dict[int, State]:
        """The newest state of each partition."""
        for partition, newest in self._follower.newest.items():
            known = self._decoded.get(partition)
            if known is None or known[0] is not newest:
                self._decoded[partition] = (newest, from_json(newest.value))
                if known is not None and known[1].owner not in {"", self._decoded[partition][1].owner}:
                    self.handovers[partition] += 1
        return {partition: state for partition, (_, state) in self._decoded.items()}

    def latencies(self, width: int) -> dict[int, Histogram]:
        """The latencies of all partitions in every window of one width that is kept, by its number."""
        first = int(self._clock() * 1000) // width - WINDOWS[width]
        merged: dict[int, list[Histogram]] = {}
        for state in self.states().values():
            for number, held in state.latencies.over(width, first, state.recent).items():
                merged.setdefault(number, []).append(held)
        return {number: histogram.summed(many) for number, many in merged.items()}

    def sample(self) -> None:
        """Take a point of the trend; called after each look at the broker."""
        now = self._clock()
        last = self.trend[-1] if self.trend else None
        if self._backlog.away_since is not None:
            return  # nobody knows: what is drawn ends where the broker was last heard
        if not self._follower.complete or (last is not None and now - last.at < SAMPLE_SECONDS):
            return
        views = self._partitions(self.states())
        total = sum(view.total for view in views)
        rate = (total - last.total) / (now - last.at) if last is not None else None
        self.trend.append(Sample(now, total, rate, _sum(v.lag for v in views), _max(v.lag_seconds for v in views)))

    def _merge(self, states: dict[int, State]) -> Snapshot:
        now = self._clock()
        views = self._partitions(states)
        all_states = list(states.values())
        minutes, hours, days = (
            series.summed((getattr(state, name) for state in all_states), width)
            for name, width in (("minutes", MINUTE), ("hours", HOUR), ("days", DAY))
        )
        instant = int(now * 1000)
        open_since = instant - histogram.RECENT_WIDTH * (histogram.RECENT_KEPT - 1)
        recent = histogram.summed(histogram.since(state.recent, open_since) for state in all_states)
        return Snapshot(
            as_of=self._backlog.as_of,
            complete=self._follower.complete,
            kafka_away_since=self._backlog.away_since,
            total=sum(state.total for state in all_states),
            dead=sum(state.dead for state in all_states),
            replayed=sum(state.replayed for state in all_states),
            missing=sum(state.missing for state in all_states),
            empty=sum(state.empty for state in all_states),
            late=sum(state.late for state in all_states),
            future=sum(state.future for state in all_states),
            rate=self.trend[-1].rate if self.trend else None,
            lag=_sum(view.lag for view in views),
            lag_seconds=_max(view.lag_seconds for view in views),
            this_minute=minutes.get(instant // MINUTE, 0),
            this_hour=hours.get(instant // HOUR, 0),
            today=days.get(instant // DAY, 0),
            latency_p50_ms=histogram.quantile(recent, 0.5),
            latency_p99_ms=histogram.quantile(recent, 0.99),
            latency=histogram.summed(state.latency for state in all_states),
            sizes=histogram.summed(state.sizes for state in all_states),
            minutes=minutes,
            hours=hours,
            days=days,
            distinct_users=distinct_users(state.users for state in all_states),
            active_users=most_active_users((state.users for state in all_states), ACTIVE_USERS),
            dead_reasons=_reasons(all_states),
            brokers=self._backlog.brokers,
            partitions=views,
        )

    def _partitions(self, states: dict[int, State]) -> list[PartitionView]:
        known = sorted(states.keys() | self._backlog.ends.keys())
        return [self._partition(partition, states.get(partition)) for partition in known]

    def _partition(self, partition: int, state: State | None) -> PartitionView:
        end = self._backlog.ends.get(partition)
        if state is None:
            return _not_counted_yet(partition, end)
        lag = None if end is None else max(0, end - state.last_offset - 1)
        return PartitionView(
            partition=partition,
            owner=state.owner or None,
            first=state.first,
            last_offset=state.last_offset,
            end_offset=end,
            lag=lag,
            lag_seconds=None if lag is None else self._lag.seconds(partition, events=lag, newest_at=state.newest_at),
            total=state.total,
            dead=state.dead,
            replayed=state.replayed,
            missing=state.missing,
            empty=state.empty,
            edition=state.edition,
            exact=state.exact,
            newest_at=state.newest_at,
            counted_at=state.consumed_at,
        )


def _sum(values: Iterable[int | None]) -> int | None:
    """Unknown if any is unknown."""
    known = list(values)
    return sum(known) if known and None not in known else None  # type: ignore[arg-type]


def _max(values: Iterable[float | None]) -> float | None:
    known = list(values)
    return max(known) if known and None not in known else None  # type: ignore[type-var]


def _reasons(states: Iterable[State]) -> dict[str, int]:
    merged: dict[str, int] = {}
    for state in states:
        merged = dict(histogram.added(merged, state.reasons))
    return merged


def _not_counted_yet(partition: int, end: int | None) -> PartitionView:
    return PartitionView(
        partition=partition,
        owner=None,
        first=None,
        last_offset=None,
        end_offset=end,
        lag=0 if end == 0 else None,  # a topic without an event yet is no riddle
        lag_seconds=0.0 if end == 0 else None,
        total=0,
        dead=0,
        replayed=0,
        missing=0,
        empty=0,
        edition=0,
        exact=True,
        newest_at=None,
        counted_at=None,
    )
