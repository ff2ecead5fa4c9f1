"""What every state of a partition carries, and what one kind of worker brings to it."""

from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import Any, ClassVar, Protocol, Self, TypeVar

import orjson

from runtime.kafka.records import KafkaRecord
from stream_workers.errors import LaterVersionError, WorkerError
from stream_workers.kafka.batches import BatchApp
from stream_workers.kinds import Kind
from stream_workers.settings import Settings


class Ledger(Protocol):
    """A frozen dataclass that says which topic, from where, up to where, and how each offset was booked.

    ``classes`` say by name how many offsets were booked as what, each offset once: their sum is
    last_offset - first + 1, always. Among them are ``taken`` as applications, ``bad`` as what cannot be read and
    ``missing`` as gone before it was read, by whatever names the kind has for them, and ``empty``: no record was there.

    ``edition`` rises with each rebuild: of two states of a partition the one with the higher (edition, last_offset)
    holds. Its JSON has these two and its ``version`` at the top level. ``newest_at`` is when the newest of the events
    was accepted and ``consumed_at`` when the last was read, in milliseconds since 1970; ``owner`` is who read it.
    """

    @property
    def edition(self) -> int: ...
    @property
    def topic_id(self) -> str: ...
    @property
    def first(self) -> int: ...
    @property
    def last_offset(self) -> int: ...
    @property
    def missing(self) -> int: ...
    @property
    def empty(self) -> int: ...
    @property
    def taken(self) -> int: ...
    @property
    def bad(self) -> int: ...
    @property
    def classes(self) -> Mapping[str, int]: ...
    @property
    def newest_at(self) -> int | None: ...
    @property
    def consumed_at(self) -> int | None: ...
    @property
    def owner(self) -> str: ...


S = TypeVar("S", bound=Ledger)


class Book(Protocol[S]):
    """What one kind of worker does with the events of a partition.

    ``fresh``, ``decode`` and ``encode`` need no book to be open; ``decode`` raises LaterVersionError for what a later
    version wrote. ``fold`` returns a new state: once it does, whatever else it wrote is safe. Offsets that it covers
    without a record among ``records`` hold none, and are booked as ``empty``.
    """

    kind: ClassVar[Kind]

    @classmethod
    def opened(cls, app: BatchApp, settings: Settings, *, owner: str) -> Self: ...
    @staticmethod
    def fresh(topic_id: str, first: int) -> S: ...
    @staticmethod
    def decode(value: bytes) -> S: ...
    @staticmethod
    def encode(state: S) -> bytes: ...
    async def fold(self, partition: int, state: S, records: Sequence[KafkaRecord]) -> S: ...


class FoldedPartlyError(Exception):
    """A fold that ends before its batch does; ``state`` is what is to be kept of it."""

    def __init__(self, state: Any, reason: WorkerError) -> None:
        super().__init__(str(reason))
        self.state = state
        self.reason = reason


def rank_of(state: Ledger) -> tuple[int, int]:
    """The order of states of one partition: the higher one is the newer."""
    return state.edition, state.last_offset


def is_state(book: type[Book[Any]], value: bytes) -> bool:
    """Whether what looks like a state is one of this book: anybody may write to a changelog.

    What a later version wrote is one, and whoever wants to know what it says gets its error.
    """
    try:
        return _is_sound(book.decode(value))
    except LaterVersionError:
        return True
    except (ValueError, TypeError, LookupError, AttributeError, ArithmeticError, RuntimeError):
        return False


def highest_first(values: Iterable[bytes | None]) -> list[bytes | None]:
    """The highest rank first, what has none last: of a long history only the highest has to be decoded."""
    return sorted(values, key=lambda value: rank(value) or (-1, -1), reverse=True)


def _is_sound(state: Ledger) -> bool:
    """Whether its parts are of the kinds that they are said to be."""
    numbers = (state.edition, state.first, state.last_offset, state.missing, state.empty, state.taken, state.bad)
    instants = (at for at in (state.newest_at, state.consumed_at) if at is not None)
    return all(type(number) is int for number in (*numbers, *instants, *state.classes.values())) and all(
        isinstance(text, str) for text in (state.topic_id, state.owner)
    )


def rank(value: bytes | None) -> tuple[int, int] | None:
    """The rank of a state from its bytes; None for what does not even look like one."""
    try:
        fields = orjson.loads(value or b"")
        found = fields["edition"], fields["last_offset"]
        ours = isinstance(fields["topic_id"], str) and all(type(part) is int for part in (*found, fields["version"]))
    except (ValueError, TypeError, KeyError, IndexError):
        return None
    return found if ours else None


def following(
    records: Sequence[KafkaRecord], last: int, empty: Mapping[int, int] = MappingProxyType({})
) -> tuple[Sequence[KafkaRecord], int | None]:
    """The records from ``last + 1`` on without a gap, and the offset found where another one was due, if any.

    What is ``empty`` is no gap: stretches that hold no record, each start with its end.
    """
    due = last + 1
    fresh = records[bisect_left(records, due, key=lambda record: record.offset) :]
    if not fresh or fresh[-1].offset == due + len(fresh) - 1:
        return fresh, None
    for index, record in enumerate(fresh):
        while due in empty:
            due = empty[due]
        if record.offset != due:
            return fresh[:index], record.offset
        due += 1
    return fresh, None


def with_empty(state: S, end: int) -> S:
    """A state that covers the offsets up to ``end`` (excluded) too, none of which holds a record."""
    book: Any = state
    booked: S = replace(book, last_offset=end - 1, empty=state.empty + end - 1 - state.last_offset)
    return booked
