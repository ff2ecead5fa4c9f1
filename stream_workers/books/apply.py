"""``apply(state, records) -> state``: the whole of counting, without Kafka and without a clock."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from contracts import is_replay
from runtime.kafka.records import KafkaRecord
from stream_workers.books import breaker
from stream_workers.books.histogram import RECENT_WIDTH, added, latency_bucket, size_bucket, with_recent
from stream_workers.books.series import DAY, HOUR, KEPT, MINUTE, with_times
from stream_workers.books.sketches.latencies import turned
from stream_workers.books.state import State
from stream_workers.kafka.events import Bad, Seen, read

# Clocks of gateways may run ahead of ours by this much before an event is booked as one of the future.
AHEAD_MAX = 5 * MINUTE


@dataclass(frozen=True, slots=True)
class Applied:
    """What came of some records. ``tripped`` is the bad event before which counting stopped, if it did."""

    state: State
    bad: Sequence[Bad]
    tripped: Bad | None


def apply(state: State, records: Sequence[KafkaRecord], *, consumed_at: int) -> Applied:
    """Count records that follow ``state``; offsets between them hold no record. ``consumed_at`` is now (milliseconds).

    The same records give the same state however they are cut into batches, but for latencies: they depend on the time.
    """
    counted: list[Seen] = []
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
                counted.append(event)
        last = record.offset
    read_up_to = replace(
        state,
        last_offset=last,
        empty=state.empty + last - state.last_offset - len(counted) - len(bad) - replayed,
        dead=state.dead + len(bad),
        replayed=state.replayed + replayed,
        outcomes=breaker.with_good(outcomes, good),
        reasons=added(state.reasons, Counter(event.reason for event in bad)),
        consumed_at=consumed_at,
    )
    return Applied(with_applications(read_up_to, counted, consumed_at=consumed_at), bad, tripped)


def with_applications(state: State, seen: Sequence[Seen], *, consumed_at: int) -> State:
    """A state with further applications in it; event time is ``created_at``.

    What depends on the time alone is worked out once for all that share a millisecond: under load many do.
    """
    if not seen:
        return state
    instants = [each.created_at for each in seen]
    at = Counter(instants)
    past = at if max(at) <= consumed_at + AHEAD_MAX else _not_after(at, consumed_at + AHEAD_MAX)
    minutes = _summed((instant // MINUTE * MINUTE, count) for instant, count in past.items())
    latency = _summed((latency_bucket(consumed_at - instant), count) for instant, count in at.items())
    sizes = _summed((size_bucket(size), count) for size, count in Counter([each.size for each in seen]).items())
    latencies, recent, window = state.latencies, state.recent, consumed_at // RECENT_WIDTH
    if recent and window > max(recent):
        latencies, recent = turned(latencies, recent, window)
    return replace(
        state,
        total=state.total + len(seen),
        late=state.late + _late(state, past, instants),
        future=state.future + len(seen) - past.total(),
        newest_at=max(state.newest_at or 0, max(past, default=0)) or None,
        minutes=with_times(state.minutes, MINUTE, minutes),
        hours=with_times(state.hours, HOUR, minutes),
        days=with_times(state.days, DAY, minutes),
        sizes=added(state.sizes, sizes),
        latency=added(state.latency, latency),
        recent=with_recent(recent, consumed_at, latency),
        latencies=latencies,
        users=state.users.seen(Counter([each.user_name for each in seen])),
    )


def _not_after(at: Counter[int], latest: int) -> Counter[int]:
    return Counter({instant: count for instant, count in at.items() if instant <= latest})


def _summed(counts: Iterable[tuple[int, int]]) -> Counter[int]:
    total: Counter[int] = Counter()
    for key, count in counts:
        total[key] += count
    return total


def _late(state: State, past: Counter[int], instants: Sequence[int]) -> int:
    """How many of these instants, in their order, are older than the series of minutes reached when they came."""
    newest = max(state.minutes, default=0)
    reached = max(newest, max(past, default=0) // MINUTE)
    if min(past, default=0) // MINUTE > reached - KEPT[MINUTE]:
        return 0
    late = 0
    for minute in (instant // MINUTE for instant in instants if instant in past):
        newest = max(newest, minute)
        late += minute <= newest - KEPT[MINUTE]
    return late
