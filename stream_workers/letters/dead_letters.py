"""Dead letters: what could not be read, with its origin, so that it can be looked at and sent again.

The key is the origin (``topic/partition/offset``): a dead letter that was written twice is recognised as one.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from contracts import Header, created_at_text, header
from stream_workers.kafka.batches import Record
from stream_workers.kafka.events import Bad

# A broker takes one mebibyte a record by default, headers included.
VALUE_KEPT = 900_000
HEADERS_KEPT = 64_000

ORIGINAL_HEADER = "original-header."


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a dead letter was."""

    topic: str
    partition: int
    offset: int

    def key(self) -> bytes:
        return f"{self.topic}/{self.partition}/{self.offset}".encode()


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """``value`` and ``key`` are the original bytes; ``cut`` is the original size where not all of it could be kept."""

    origin: Origin
    reason: str
    detail: str
    time: str
    key: bytes | None
    value: bytes | None
    headers: Sequence[Header] = ()
    cut: int | None = None

    def to_headers(self) -> list[Header]:
        """The record's headers; numbers are decimal text."""
        found = [
            ("original-topic", self.origin.topic.encode()),
            ("original-partition", str(self.origin.partition).encode()),
            ("original-offset", str(self.origin.offset).encode()),
            ("reason", self.reason.encode()),
            ("detail", self.detail.encode()),
            ("time", self.time.encode()),
        ]
        if self.key is not None:
            found.append(("original-key", self.key))
        if self.cut is not None:
            found.append(("original-size", str(self.cut).encode()))
        return found + [(ORIGINAL_HEADER + name, value) for name, value in self.headers]


def from_bad(topic: str, record: Record, bad: Bad, *, now: float) -> DeadLetter:
    """A bad record as a dead letter; ``now`` is in seconds since 1970."""
    value = record.value
    fits = value is None or len(value) <= VALUE_KEPT
    headers_fit = sum(len(name) + len(text or b"") for name, text in record.headers) <= HEADERS_KEPT
    return DeadLetter(
        origin=Origin(topic, record.partition, record.offset),
        reason=bad.reason,
        detail=bad.detail[:500],
        time=created_at_text(datetime.fromtimestamp(now, UTC)),
        key=record.key if record.key is None or len(record.key) <= HEADERS_KEPT else None,
        value=value if value is None or fits else value[:VALUE_KEPT],
        headers=tuple(record.headers) if headers_fit else (),
        cut=None if fits or value is None else len(value),
    )


def from_letter(record: Record) -> DeadLetter:
    """A record of the dead-letter topic, read back; raises ValueError where the origin is missing."""

    def text(name: str) -> str:
        found = header(record.headers, name)
        if found is None:
            raise ValueError(f"dead letter at offset {record.offset} has no header {name}")
        return found.decode()

    cut = header(record.headers, "original-size")
    return DeadLetter(
        origin=Origin(text("original-topic"), int(text("original-partition")), int(text("original-offset"))),
        reason=text("reason"),
        detail=(header(record.headers, "detail") or b"").decode(),
        time=text("time"),
        key=header(record.headers, "original-key"),
        value=record.value,
        headers=tuple(
            (name.removeprefix(ORIGINAL_HEADER), value)
            for name, value in record.headers
            if name.startswith(ORIGINAL_HEADER)
        ),
        cut=int(cut) if cut else None,
    )
