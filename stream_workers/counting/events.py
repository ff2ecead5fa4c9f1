"""What a record holds: an application, perhaps a marked replay of one, or something bad."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

from contracts import REPLAYED_HEADER, Application, UndecodableError, from_record

# The largest event that the gateway can write is below 70 KB; anything above this is no application.
VALUE_MAX = 256 * 1024


class KafkaRecord(Protocol):
    """The parts of a Kafka record that count here."""

    @property
    def offset(self) -> int: ...
    @property
    def value(self) -> bytes | None: ...
    @property
    def headers(self) -> Sequence[tuple[str, bytes]]: ...


@dataclass(frozen=True, slots=True)
class Bad:
    """A record that is no application event."""

    offset: int
    reason: str
    detail: str


Event = Application | Bad


def read(record: KafkaRecord) -> Event:
    """The application in a record, or why there is none."""
    value = record.value
    if value is not None and len(value) > VALUE_MAX:
        return Bad(record.offset, "oversized", f"the value has {len(value)} bytes, at most {VALUE_MAX} are read")
    try:
        return from_record(value, record.headers)
    except UndecodableError as error:
        return Bad(record.offset, error.reason, error.detail)


def is_replay(headers: Iterable[tuple[str, bytes]]) -> bool:
    """Whether the event was published again on purpose; it was counted the first time."""
    return any(name == REPLAYED_HEADER for name, _ in headers)
