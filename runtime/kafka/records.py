"""What a record is to those who read it: as a consumer hands it out, or as it was read, for who knows where it was."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any, Protocol, TypeAlias

from aiokafka import ConsumerRecord

from contracts import UNREADABLE_HEADER

# What a record takes in memory beside its bytes, and what each of its headers does.
RECORD_WEIGHT, HEADER_WEIGHT = 400, 160

Record: TypeAlias = ConsumerRecord[bytes, bytes]


class KafkaRecord(Protocol):
    """What a record holds, whatever it is to its reader."""

    @property
    def offset(self) -> int: ...
    @property
    def timestamp(self) -> int: ...
    @property
    def key(self) -> bytes | None: ...
    @property
    def value(self) -> bytes | None: ...
    @property
    def headers(self) -> Sequence[tuple[str, bytes]]: ...


# Makes what a consumer gets of the records of a topic's partition that aiokafka's readers give.
Form: TypeAlias = Callable[[str, int, Iterable[Any]], Sequence[KafkaRecord]]


def as_consumed(topic: str, partition: int, records: Iterable[Any]) -> list[Record]:
    """Records as a consumer hands them out."""
    return [
        ConsumerRecord(
            topic,
            partition,
            each.offset,
            each.timestamp,
            each.timestamp_type,
            key,
            value,
            None,
            -1 if key is None else len(key),
            -1 if value is None else len(value),
            tuple(each.headers),
        )
        for each in records
        for key, value in ((each.key, each.value),)
    ]


def as_read(topic: str, partition: int, records: Iterable[Any]) -> list[KafkaRecord]:  # noqa: ARG001 -- a Form
    """Records as they are: to make a consumer's of each costs more than to read it."""
    return list(records)


def lost_parts(record: KafkaRecord) -> tuple[str, ...]:
    """What nobody could read of a record: nothing, its ``headers``, or all of its ``content``."""
    if [name for name, _ in record.headers] != [UNREADABLE_HEADER]:
        return ()
    return ("content",) if record.value is None and record.key is None else ("headers",)


def weight(record: KafkaRecord) -> int:
    """About how much memory a record takes, in bytes: too dear to ask for each on the way to the books."""
    texts = sum(len(name) + len(value or b"") for name, value in record.headers)
    size = len(record.value or b"") + len(record.key or b"") + texts
    return size + RECORD_WEIGHT + len(record.headers) * HEADER_WEIGHT
