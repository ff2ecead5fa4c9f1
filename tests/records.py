"""Records as a consumer gets them, good and bad, for tests without a broker."""

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any, cast
from uuid import UUID

from contracts import REPLAYED_HEADER, Application, Header, Stored, to_headers, to_key, value_of

NOW_MS = 1_795_000_000_000


@dataclass(frozen=True)
class Record:
    """The parts of an aiokafka record that the workers read."""

    offset: int
    value: bytes | None
    headers: tuple[Header, ...] = ()
    key: bytes | None = None
    partition: int = 0
    topic: str = "applications"
    timestamp: int = NOW_MS


def to_value(**fields: Any) -> bytes:
    """An event's value from its fields by name; those not named are not filled in."""
    return value_of(cast("Stored", SimpleNamespace(**dict.fromkeys(Application.model_fields) | fields)))


def good(
    offset: int,
    *,
    user_name: str = "ada",
    description: str = "a boat, please",
    at_ms: int = NOW_MS,
    replayed: bool = False,
) -> Record:
    """An application event; its id is made of the offset."""
    created_at = datetime.fromtimestamp(at_ms / 1000, UTC)
    id_ = UUID(int=(at_ms << 80) | (7 << 76) | (2 << 62) | offset)
    headers = to_headers(id=id_, created_at=created_at)
    if replayed:
        headers.append((REPLAYED_HEADER, b"1"))
    value = to_value(id=id_, user_name=user_name, description=description, created_at=created_at)
    return Record(offset, value, tuple(headers), to_key(user_name))


def bad(offset: int, value: bytes | None = b"not json") -> Record:
    return Record(offset, value)


def dated(at: bytes) -> Record:
    """An event that is good but for the time that it tells."""
    event = good(0)
    return Record(0, re.sub(rb'"20[^"]*Z"', b'"' + at + b'"', event.value or b""), event.headers, event.key)


POISON: tuple[tuple[str, Record], ...] = (
    ("tombstone", Record(0, None, key=b"ada")),
    ("invalid", Record(0, b"")),
    ("invalid", Record(0, b"\xff\xfe\x00")),
    ("invalid", Record(0, b"not json")),
    ("invalid", Record(0, b"[" * 10_000)),
    ("oversized", Record(0, b"[" * 20_000)),
    ("invalid", Record(0, b"null")),
    ("invalid", Record(0, b"{}")),
    ("invalid", Record(0, (good(0).value or b"").replace(b"ada", b" "))),
    ("invalid", Record(0, (good(0).value or b"").replace(b"ada", b"a\\u0000b"))),
    ("invalid", Record(0, (good(0).value or b"").replace(b"ada", b"\\ud800"))),
    ("invalid", Record(0, (good(0).value or b"").replace(b"Z", b""))),
    ("invalid", good(0, description="x" * 10_001)),
    ("invalid", good(0, user_name="x" * 256)),
    ("oversized", good(0, description="x" * 300_000)),
    ("unknown-version", Record(0, good(0).value, (("ce_type", b"headgate.application.submitted.v2"),))),
    ("invalid", Record(0, b"[1]")),
    ("invalid", Record(0, (good(0).value or b"").replace(b'"ada"', b"1e999"))),
    ("invalid", Record(0, (good(0).value or b"").replace(b'"ada"', b"9" * 5_000))),
    ("invalid", Record(0, (good(0).value or b"").replace(b'"ada"', b"NaN"))),
    ("invalid", Record(0, re.sub(rb'"20..-', b'"99999-', good(0).value or b""))),
    ("invalid", Record(0, re.sub(rb'"id":"[^"]*"', b'"id":' + b"9" * 400, good(0).value or b""))),
    ("invalid", Record(0, b"\xef\xbb\xbf{}")),
    ("invalid", dated(b"9999-12-31T23:59:59-12:00")),
    ("invalid", dated(b"9999-12-31T23:59:59.000Z")),
    ("invalid", dated(b"0001-01-01T00:00:00.000Z")),
    ("invalid", dated(b"0001-01-01T00:00:00+14:00")),
)
