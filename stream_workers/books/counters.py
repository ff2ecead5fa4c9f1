"""The metrics worker: counts a partition's events exactly, and puts what it cannot read among the dead letters."""

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import replace

from faust import TopicT

from contracts import METRICS_TABLE
from stream_workers.books import breaker
from stream_workers.books.apply import Applied, apply
from stream_workers.books.state import State, fresh, from_json, to_json
from stream_workers.errors import BreakerOpenError, StateNotWrittenError
from stream_workers.exact.ledger import FoldedPartlyError
from stream_workers.kafka.batches import Record
from stream_workers.kafka.events import Bad
from stream_workers.letters.dead_letters import DeadLetter, from_bad


class Counters:
    """The book of the metrics worker."""

    table = METRICS_TABLE

    def __init__(
        self, source: str, dead_letters: TopicT, *, owner: str, clock: Callable[[], float] = time.time
    ) -> None:
        self._source = source
        self._dead_letters = dead_letters
        self._owner = owner
        self._clock = clock

    def fresh(self, topic_id: str, first: int) -> State:
        return fresh(topic_id, first)

    def decode(self, value: bytes) -> State:
        return from_json(value)

    def encode(self, state: State) -> bytes:
        return to_json(state)

    async def fold(self, partition: int, state: State, records: Sequence[Record]) -> State:
        """Count a batch; Kafka has its dead letters before this returns, so no acknowledgement overtakes them."""
        now = self._clock()
        applied = apply(state, records, consumed_at=int(now * 1000))
        by_offset = {bad.offset: bad for bad in applied.bad}
        if by_offset:
            await self._send(
                [
                    from_bad(self._source, record, by_offset[record.offset], now=now)
                    for record in records
                    if record.offset in by_offset
                ]
            )
        counted = replace(applied.state, owner=self._owner)
        if applied.tripped:
            raise FoldedPartlyError(counted, self._breaker(partition, applied, applied.tripped))
        return counted

    async def _send(self, letters: Sequence[DeadLetter]) -> None:
        try:
            sent = [
                await self._dead_letters.send(key=letter.origin.key(), value=letter.value, headers=letter.to_headers())
                for letter in letters
            ]
            await asyncio.gather(*sent)
        except Exception as error:
            raise StateNotWrittenError(f"Kafka did not take {len(letters)} dead letters: {error!r}") from error

    def _breaker(self, partition: int, applied: Applied, tripped: Bad) -> BreakerOpenError:
        return BreakerOpenError(
            topic=self._source,
            partition=partition,
            offset=tripped.offset,
            bad=applied.state.outcomes.bit_count() + 1,
            window=breaker.WINDOW,
            reason=tripped.reason,
        )
