"""Dead letters: what could not be read, with its origin, so that it can be looked at and sent again.

The key is the origin (``topic/partition/offset/topic id``): a dead letter that was written twice is recognised as one,
and one of a topic that was made anew is another.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from contracts import UNREADABLE_HEADER, Header, created_at_text, header
from runtime.kafka.records import KafkaRecord, Record, lost_parts
from stream_workers.kafka.events import Bad

# The topic's own limit: a mebibyte of the shortest headers there can be, each with our prefix, and some more.
TOPIC_BYTES = 8 * 1024 * 1024
# What is tried where the topic takes less: first the value alone, then what a topic takes that nobody set up.
_VALUE_KEPT = 900_000
_KEY_KEPT = 64_000

ORIGINAL_HEADER = "original-header."
LEFT_OUT_HEADER = "left-out"


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a dead letter was; letters of versions before do not say the topic's id."""

    topic: str
    partition: int
    offset: int
    topic_id: str = ""

    @property
    def place(self) -> tuple[str, int, int]:
        """What people call it by; a topic that was made anew has the same places once more."""
        return self.topic, self.partition, self.offset

    def key(self) -> bytes:
        return "/".join(map(str, (*self.place, self.topic_id) if self.topic_id else self.place)).encode()


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """``value`` and ``key`` are the original bytes; ``cut`` is the original size where not all of it could be kept.

    ``left_out`` names what else there was and is not kept: ``headers``, ``key``, ``content`` (nobody could read it).
    """

    origin: Origin
    reason: str
    detail: str
    time: str
    key: bytes | None
    value: bytes | None
    headers: Sequence[Header] = ()
    cut: int | None = None
    left_out: Sequence[str] = ()

    def to_headers(self) -> list[Header]:
        """The record's headers; numbers are decimal text."""
        found = [
            ("original-topic", self.origin.topic.encode()),
            ("original-partition", str(self.origin.partition).encode()),
            ("original-offset", str(self.origin.offset).encode()),
            ("reason", self.reason.encode()),
            ("detail", self.detail.encode(errors="backslashreplace")),
            ("time", self.time.encode()),
        ]
        if self.origin.topic_id:
            found.append(("original-topic-id", self.origin.topic_id.encode()))
        if self.key is not None:
            found.append(("original-key", self.key))
        if self.cut is not None:
            found.append(("original-size", str(self.cut).encode()))
        if self.left_out:
            found.append((LEFT_OUT_HEADER, ",".join(self.left_out).encode()))
        return found + [(ORIGINAL_HEADER + name, value) for name, value in self.headers]

    def smaller(self) -> "Iterator[DeadLetter]":
        """The whole letter, then less and less of it, for a topic that takes no more; the last one fits anywhere."""
        yield self
        bare = replace(self, headers=(), left_out=(*self.left_out, "headers")) if self.headers else self
        yield bare
        if self.key is not None and len(self.key) > _KEY_KEPT:
            bare = replace(bare, key=None, left_out=(*bare.left_out, "key"))
        whole = self.value
        if whole is not None and len(whole) > _VALUE_KEPT:
            bare = replace(bare, value=whole[:_VALUE_KEPT], cut=len(whole))
        yield bare
        left_out = bare.left_out if self.key is None or "key" in bare.left_out else (*bare.left_out, "key")
        nothing = None if whole is None else b""
        yield replace(bare, key=None, value=nothing, cut=None if whole is None else len(whole), left_out=left_out)


def from_bad(origin: Origin, record: KafkaRecord, bad: Bad, *, now: float) -> DeadLetter:
    """A bad record as a dead letter; ``now`` is in seconds since 1970."""
    return DeadLetter(
        origin=origin,
        reason=bad.reason,
        detail=bad.detail[:500],
        time=created_at_text(datetime.fromtimestamp(now, UTC)),
        key=record.key,
        value=record.value,
        headers=tuple(one for one in record.headers if one[0] != UNREADABLE_HEADER),
        left_out=lost_parts(record),
    )


def from_letter(record: Record) -> DeadLetter:
    """A record of the dead-letter topic, read back; raises ValueError where the origin is missing."""

    def text(name: str) -> str:
        found = header(record.headers, name)
        if found is None:
            raise ValueError(f"dead letter at offset {record.offset} has no header {name}")
        return found.decode()

    def optional(name: str) -> str:
        return (header(record.headers, f"original-{name}") or b"").decode()

    cut = optional("size")
    return DeadLetter(
        origin=Origin(
            text("original-topic"), int(text("original-partition")), int(text("original-offset")), optional("topic-id")
        ),
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
        left_out=_names(header(record.headers, LEFT_OUT_HEADER)),
    )


def _names(listed: bytes | None) -> tuple[str, ...]:
    return tuple(listed.decode().split(",")) if listed else ()
