"""An application as it is handed to Kafka."""

from collections.abc import Sequence
from datetime import datetime
from functools import lru_cache
from typing import Any, NamedTuple
from uuid import UUID

from contracts import Header, to_headers, to_key, value_of
from gateway.commit.submission import Submission


class Event(NamedTuple):
    """Everything that a record carries; a function of the row and its trace, so that a re-sent one is the same."""

    id: UUID
    user_name: str
    key: bytes
    value: bytes
    headers: Sequence[Header]
    timestamp_ms: int


def from_submission(submission: Submission) -> Event:
    """The event of an application that is still in memory; its value is the answer's bytes."""
    return _event(submission.id, submission.user_name, submission.value, submission.created_at, submission.traceparent)


def from_row(row: Any) -> Event:
    """The event of an application that was read back from PostgreSQL: all of its columns, and its ``trace``."""
    return _event(row.id, row.user_name, value_of(row), row.created_at, row.trace)


def _event(id_: UUID, user_name: str, value: bytes, created_at: datetime, trace: str | None) -> Event:
    headers = to_headers(id=id_, created_at=created_at, traceparent=trace)
    return Event(id_, user_name, to_key(user_name), value, headers, _milliseconds(created_at))


@lru_cache(maxsize=64)  # under load many events share a millisecond, and one object that stands for it
def _milliseconds(created_at: datetime) -> int:
    return round(created_at.timestamp() * 1000)
