"""The metrics worker: counts a partition's events exactly, and puts what it cannot read among the dead letters."""

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, ClassVar, Self

from faust import TopicT

from runtime.kafka.records import KafkaRecord, weight
from stream_workers.books import breaker
from stream_workers.books.apply import Applied, apply
from stream_workers.books.state import State, fresh, from_json, to_json
from stream_workers.errors import BreakerOpenError
from stream_workers.exact.ledger import FoldedPartlyError
from stream_workers.kafka.batches import BatchApp
from stream_workers.kafka.events import Bad
from stream_workers.kafka.sending import send_fitting
from stream_workers.kinds import METRICS, Kind
from stream_workers.letters.dead_letters import DeadLetter, Origin, from_bad
from stream_workers.settings import Settings


class Counters:
    """The book of the metrics worker."""

    kind: ClassVar[Kind] = METRICS

    def __init__(
        self, source: str, dead_letters: TopicT, *, owner: str, clock: Callable[[], float] = time.time
    ) -> None:
        self._source = source
        self._dead_letters = dead_letters
        self._owner = owner
        self._clock = clock

    @classmethod
    def opened(cls, app: BatchApp, settings: Settings, *, owner: str) -> Self:
        """Dead letters go to the topic that the settings name."""
        return cls(app.source, app.raw_topic(settings.topics.dead_letters, allow_empty=True), owner=owner)

    @staticmethod
    def fresh(topic_id: str, first: int) -> State:
        return fresh(topic_id, first)

    @staticmethod
    def decode(value: bytes) -> State:
        return from_json(value)

    @staticmethod
    def encode(state: State) -> bytes:
        return to_json(state)

    async def fold(self, partition: int, state: State, records: Sequence[KafkaRecord]) -> State:
        """Count a batch; Kafka has its dead letters before this returns, so no acknowledgement overtakes them."""
        now = self._clock()
        applied = apply(state, records, consumed_at=int(now * 1000))
        by_offset = {bad.offset: bad for bad in applied.bad}
        if by_offset:
            bad = [(record, by_offset[record.offset]) for record in records if record.offset in by_offset]
            await self._send(partition, bad, now=now, topic_id=state.topic_id)
        counted = replace(applied.state, owner=self._owner)
        if applied.tripped:
            raise FoldedPartlyError(counted, self._breaker(partition, applied, applied.tripped))
        return counted

    async def _send(self, partition: int, bad: Sequence[tuple[KafkaRecord, Bad]], *, now: float, topic_id: str) -> None:
        origins = (Origin(self._source, partition, record.offset, topic_id) for record, _ in bad)
        letters = (from_bad(origin, *each, now=now) for origin, each in zip(origins, bad, strict=True))
        sizes = (weight(record) for record, _ in bad)
        messages = ((map(_message, letter.smaller()), size) for letter, size in zip(letters, sizes, strict=True))
        await send_fitting(self._dead_letters, messages, what=f"{len(bad)} dead letters")

    def _breaker(self, partition: int, applied: Applied, tripped: Bad) -> BreakerOpenError:
        return BreakerOpenError(
            topic=self._source,
            partition=partition,
            offset=tripped.offset,
            bad=applied.state.outcomes.bit_count() + 1,
            window=breaker.WINDOW,
            reason=tripped.reason,
        )


def _message(letter: DeadLetter) -> dict[str, Any]:
    return {"key": letter.origin.key(), "value": letter.value, "headers": letter.to_headers()}
