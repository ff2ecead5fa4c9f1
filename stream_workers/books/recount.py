"""Counting a topic again as a worker would that had read it from its start."""

from collections.abc import Sequence

from runtime.kafka.records import KafkaRecord
from stream_workers.books.apply import apply
from stream_workers.books.state import State
from stream_workers.kafka.events import Bad, read


def recount(state: State, records: Sequence[KafkaRecord], *, set_aside: int, now: int) -> tuple[State, bool]:
    """Count records that follow ``state``; False where a worker must go on: before an open breaker, or a bad event.

    Those up to the offset ``set_aside`` are dead letters already; of a later one nobody has written the letter yet.
    ``now`` is in milliseconds: it is now that they are read, whatever their timestamps say.
    """
    unwritten = next(
        (place for place, each in enumerate(records) if each.offset > set_aside and isinstance(read(each), Bad)), None
    )
    applied = apply(state, records[:unwritten], consumed_at=now)
    return applied.state, unwritten is None and applied.tripped is None
