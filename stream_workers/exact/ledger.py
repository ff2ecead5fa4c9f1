"""What every state of a partition carries, and what one kind of worker brings to it."""

from bisect import bisect_left
from collections.abc import Sequence
from typing import Any, Protocol, TypeVar

import orjson

from stream_workers.errors import WorkerError
from stream_workers.kafka.batches import Record


class Ledger(Protocol):
    """Which topic, from where, up to where.

    ``edition`` rises with each rebuild. Of two states of a partition the one with the higher (edition, last_offset)
    holds.
    """

    @property
    def edition(self) -> int: ...
    @property
    def topic_id(self) -> str: ...
    @property
    def first(self) -> int: ...
    @property
    def last_offset(self) -> int: ...


S = TypeVar("S", bound=Ledger)


class Book(Protocol[S]):
    """What one kind of worker does with the events of a partition; ``fold`` returns a new state."""

    @property
    def table(self) -> str: ...
    def fresh(self, topic_id: str, first: int) -> S: ...
    def decode(self, value: bytes) -> S: ...
    def encode(self, state: S) -> bytes: ...
    async def fold(self, partition: int, state: S, records: Sequence[Record]) -> S: ...


class FoldedPartlyError(Exception):
    """A fold that ends before its batch does; ``state`` is what is to be kept of it."""

    def __init__(self, state: Any, reason: WorkerError) -> None:
        super().__init__(str(reason))
        self.state = state
        self.reason = reason


def rank_of(state: Ledger) -> tuple[int, int]:
    """The order of states of one partition: the higher one is the newer."""
    return state.edition, state.last_offset


def rank(value: bytes) -> tuple[int, int]:
    """The same from the bytes of a state."""
    fields = orjson.loads(value)
    return fields["edition"], fields["last_offset"]


def following(records: Sequence[Record], last: int) -> tuple[Sequence[Record], int | None]:
    """The records from ``last + 1`` on without a gap, and the offset found where another one was due, if any."""
    due = last + 1
    fresh = records[bisect_left(records, due, key=lambda record: record.offset) :]
    if not fresh or fresh[-1].offset == due + len(fresh) - 1:
        return fresh, None
    whole = next(index for index, record in enumerate(fresh) if record.offset != due + index)
    return fresh[:whole], fresh[whole].offset
