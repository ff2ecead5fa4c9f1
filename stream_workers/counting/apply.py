"""``apply(state, records) -> state``: the whole of counting, without Kafka and without a clock."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from stream_workers.counting import breaker
from stream_workers.counting.events import Bad, KafkaRecord, Seen, is_replay, read
from stream_workers.counting.histogram import added, latency_bucket, size_bucket, with_recent
from stream_workers.counting.series import DAY, HOUR, KEPT, MINUTE, with_times
from stream_workers.counting.state import State

# Clocks of gateways may run ahead of ours by this much before an event is booked as one of the future.
AHEAD_MAX = 5 * MINUTE


@dataclass(frozen=True, slots=True)
class Applied:
    """What came of some records. ``tripped`` is the bad event before which counting stopped, if it did."""

    state: State
    bad: Sequence[Bad]
    tripped: Bad | None


@dataclass(slots=True)
class Tally:
    """What the applications of one batch add up to."""

    newest_minute: int | None
    total: int = 0
    late: int = 0
    future: int = 0
    newest_at: int = 0
    minutes: Counter[int] = field(default_factory=Counter)
    sizes: Counter[int] = field(default_factory=Counter)
    latency: Counter[int] = field(default_factory=Counter)
    names: Counter[str] = field(default_factory=Counter)

    def add(self, seen: Seen, consumed_at: int) -> None:
        """Count one application; event time is ``created_at``."""
        created_at = seen.created_at
        self.total += 1
        self.names[seen.user_name] += 1
        self.sizes[size_bucket(seen.size)] += 1
        self.latency[latency_bucket(consumed_at - created_at)] += 1
        if created_at > consumed_at + AHEAD_MAX:
            self.future += 1
            return
        self.newest_at = max(self.newest_at, created_at)
        self._place(created_at // MINUTE)

    def _place(self, minute: int) -> None:
        self.minutes[minute] += 1
        if self.newest_minute is None or minute > self.newest_minute:
            self.newest_minute = minute
        elif minute <= self.newest_minute - KEPT[MINUTE]:
            self.late += 1


def apply(state: State, records: Sequence[KafkaRecord], *, consumed_at: int) -> Applied:
    """Count records that follow ``state`` without a gap; ``consumed_at`` is now, in milliseconds.

    The same records give the same state however they are cut into batches, but for latencies: they depend on the time.
    """
    tally = Tally(max(state.minutes, default=None))
    bad: list[Bad] = []
    outcomes, good, replayed = state.outcomes, 0, 0
    last, tripped = state.last_offset, None
    for record in records:
        event = read(record)
        if isinstance(event, Bad):
            outcomes, good = breaker.with_good(outcomes, good), 0
            if breaker.is_open(breaker.with_bad(outcomes)):
                tripped = event
                break
            outcomes = breaker.with_bad(outcomes)
            bad.append(event)
        else:
            good += 1
            if is_replay(record.headers):
                replayed += 1
            else:
                tally.add(event, consumed_at)
        last = record.offset
    counted = replace(
        state,
        last_offset=last,
        dead=state.dead + len(bad),
        replayed=state.replayed + replayed,
        outcomes=breaker.with_good(outcomes, good),
        reasons=added(state.reasons, Counter(event.reason for event in bad)),
        consumed_at=consumed_at,
    )
    return Applied(with_tally(counted, tally), bad, tripped)


def with_tally(state: State, tally: Tally) -> State:
    """A state with the applications of one batch in it."""
    if not tally.total:
        return state
    times: Mapping[int, int] = {minute * MINUTE: count for minute, count in tally.minutes.items()}
    return replace(
        state,
        total=state.total + tally.total,
        late=state.late + tally.late,
        future=state.future + tally.future,
        newest_at=max(state.newest_at or 0, tally.newest_at) or None,
        minutes=with_times(state.minutes, MINUTE, times),
        hours=with_times(state.hours, HOUR, times),
        days=with_times(state.days, DAY, times),
        sizes=added(state.sizes, tally.sizes),
        latency=added(state.latency, tally.latency),
        recent=with_recent(state.recent, state.consumed_at or 0, tally.latency),
        users=state.users.seen(tally.names),
    )
