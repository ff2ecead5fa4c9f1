"""How an application travels on Kafka: key, value and CloudEvents 1.0 headers in binary mode.

Source: CloudEvents Kafka protocol binding 1.0.2, section 3.2; W3C Trace Context for ``traceparent``.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime
from json.encoder import encode_basestring as _quoted  # JSON's own form of a string; nothing else needs escaping here
from typing import Protocol
from uuid import UUID

from pydantic import ValidationError

from contracts.application import Application, created_at_text

EVENT_TYPE = "headgate.application.submitted.v1"
EVENT_SOURCE = "/headgate"

# Marks an event that was published again on purpose: consumers that count do not count it twice.
REPLAYED_HEADER = "headgate-replayed"

# On an event that was a dead letter and was sent again: where it was then.
REDRIVEN_HEADER = "headgate-redriven-from"

# Marks, as the first header, a record whose bytes no reader could make sense of; the value says why. A lone surrogate
# is in no name that comes over the wire, so nobody else can set it, and it is never sent.
UNREADABLE_HEADER = "\udcff"

Header = tuple[str, bytes]

_FIXED_HEADERS: tuple[Header, ...] = (
    ("ce_specversion", b"1.0"),
    ("ce_type", EVENT_TYPE.encode()),
    ("ce_source", EVENT_SOURCE.encode()),
    ("content-type", b"application/json"),
)


class UndecodableError(ValueError):
    """A record that is no application event; ``reason`` is a short, stable code for dead letters and metrics."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason = reason
        self.detail = detail


class Stored(Protocol):
    """Whatever has the fields of an application: a row, a submission, an event that was read."""

    @property
    def id(self) -> UUID: ...
    @property
    def user_name(self) -> str: ...
    @property
    def description(self) -> str: ...
    @property
    def created_at(self) -> datetime: ...


def value_of(stored: Stored) -> bytes:
    """The fields as JSON: the body of the answer 201 and the value on Kafka, byte for byte the same."""
    name, text, at = _quoted(stored.user_name), _quoted(stored.description), created_at_text(stored.created_at)
    return f'{{"id":"{stored.id!s}","user_name":{name},"description":{text},"created_at":"{at}"}}'.encode()


def to_key(user_name: str) -> bytes:
    """The user's name: all events of one user are on one partition, in order."""
    return user_name.encode()


def to_headers(*, id: UUID, created_at: datetime, traceparent: str | None = None) -> list[Header]:  # noqa: A002 -- the field's name
    """CloudEvents attributes and the trace; without a trace of the caller's, one is derived from the id."""
    trace = traceparent or fresh_traceparent(id)
    return [
        ("ce_id", str(id).encode()),
        ("ce_time", created_at_text(created_at).encode()),
        ("traceparent", trace.encode()),
        *_FIXED_HEADERS,
    ]


def fresh_traceparent(id: UUID) -> str:  # noqa: A002 -- the field's name
    """An unsampled trace that needs no storage: a function of the id, so that a re-sent event carries the same one."""
    digits = id.hex
    return f"00-{digits}-{digits[16:]}-00"


def from_record(value: bytes | None, headers: Iterable[Header] | None) -> Application:
    """Decode one record, or raise UndecodableError: ``tombstone``, ``unknown-version`` or ``invalid``.

    A record without CloudEvents headers is read as version 1.
    """
    why = header(headers, UNREADABLE_HEADER)
    if why is not None:
        raise UndecodableError("invalid", why.decode())
    if value is None:
        raise UndecodableError("tombstone", "the record has no value")
    event_type = header(headers, "ce_type")
    if event_type is not None and event_type != EVENT_TYPE.encode():
        raise UndecodableError("unknown-version", f"ce_type is {event_type!r}, this consumer reads {EVENT_TYPE}")
    try:
        return Application.model_validate_json(value)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(map(str, first["loc"])) or "value"
        raise UndecodableError("invalid", f"{where}: {first['msg']}") from error


def header(headers: Iterable[Header] | None, name: str) -> bytes | None:
    """The first header of that name, or None."""
    for key, value in headers or ():  # read for each event: next() with a generator costs twice as much
        if key == name:
            return value
    return None


def is_replay(headers: Iterable[Header] | None) -> bool:
    """Whether the event was published again on purpose: it stands for nothing that was not there before."""
    for name, _ in headers or ():  # noqa: SIM110 -- for each event, any() with a generator costs twice as much
        if name == REPLAYED_HEADER:
            return True
    return False


def id_of(value: bytes | None, headers: Sequence[Header] | None) -> UUID | None:
    """The application's id, from ``ce_id`` if there, else from the value; None if the record has neither."""
    if header(headers, UNREADABLE_HEADER) is not None:
        return None
    try:
        found = header(headers, "ce_id")
        return UUID(found.decode()) if found else from_record(value, headers).id
    except ValueError:
        return None
