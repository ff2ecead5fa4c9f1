"""The time inside an application's id, a UUIDv7 (RFC 9562, 5.7): ``created_at`` is this and nothing else.

Order by id is order by time, to the millisecond; these functions say where a time begins and ends among ids.
"""

from datetime import UTC, datetime, timedelta
from functools import lru_cache
from uuid import UUID

_TIME_BITS = 48
_SHIFT = 128 - _TIME_BITS
_MILLISECONDS_MAX = (1 << _TIME_BITS) - 1
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


def milliseconds_of(id_: UUID) -> int:
    """The time inside, in milliseconds since 1970."""
    return id_.int >> _SHIFT


def time_of(id_: UUID) -> datetime:
    """The time inside, as an instant in UTC; raises OverflowError beyond the year 9999."""
    return _instant(id_.bytes[: _TIME_BITS // 8])


def first_id(time: datetime) -> UUID:
    """The least id of the first millisecond that is not before ``time``: where the ids of a time begin."""
    return UUID(int=_bounded(-(-_microseconds(time) // 1000)) << _SHIFT)


def last_id(time: datetime) -> UUID:
    """The greatest id of the last millisecond that is not after ``time``: where the ids up to a time end."""
    return UUID(int=(_bounded(_microseconds(time) // 1000) + 1 << _SHIFT) - 1)


def _microseconds(time: datetime) -> int:
    return (time - _EPOCH) // _MICROSECOND


def _bounded(milliseconds: int) -> int:
    return min(max(milliseconds, 0), _MILLISECONDS_MAX)


@lru_cache(maxsize=64)
def _instant(milliseconds: bytes) -> datetime:
    """Under load many ids share a millisecond; with one object for all of them its text is made once, too."""
    return _EPOCH + timedelta(milliseconds=int.from_bytes(milliseconds))
