"""The application itself: what a person submits, and what is stored, answered and published."""

from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Annotated, Any
from uuid import UUID

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, StringConstraints

from contracts.names import USER_NAME_MAX, normalised, submitted

DESCRIPTION_MAX = 10_000

# PostgreSQL's text cannot hold NUL, so it is refused at the door and by every consumer.
_NO_NUL = r"^[^\x00]*$"

UserName = Annotated[
    str, StringConstraints(strip_whitespace=True, min_length=1, max_length=USER_NAME_MAX, pattern=_NO_NUL)
]
Description = Annotated[
    str, StringConstraints(strip_whitespace=True, min_length=1, max_length=DESCRIPTION_MAX, pattern=_NO_NUL)
]

# A day within what the calendar can say, so that every time zone can show it.
_EARLIEST = datetime.min.replace(tzinfo=UTC) + timedelta(days=1)
_LATEST = datetime.max.replace(tzinfo=UTC) - timedelta(days=1)


def _within_the_calendar(created_at: datetime) -> datetime:
    if not _EARLIEST <= created_at <= _LATEST:
        raise ValueError("no time zone can show this instant")
    return created_at


_TWO, _THREE = ([f"{number:0{digits}}" for number in range(10**digits)] for digits in (2, 3))


class NewApplication(BaseModel):
    """What a submitter sends. Lengths are counted in characters, after stripping surrounding white space.

    ``user_name`` is stored in Unicode's form NFC, and needs a character that can be seen.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    user_name: Annotated[UserName, AfterValidator(submitted)]
    description: Description


def content_of(application: Any) -> dict[str, Any]:
    """What the submitter said, of whatever has these fields: with the same content, two applications are the same.

    By name and without what was not said, so that a field that is added later makes no old content another one. The
    user's name counts as normalised, so that a repeat of what was stored before names were is a repeat.
    """
    said = {name: getattr(application, name) for name in NewApplication.model_fields}
    said["user_name"] = normalised(said["user_name"])
    return {name: value for name, value in said.items() if value is not None}


class Application(BaseModel):
    """An accepted application: the row, the answer 201 and the event's value have exactly these fields.

    ``created_at`` has millisecond precision and equals the timestamp inside the UUIDv7 ``id`` (RFC 9562, 5.7).
    """

    model_config = ConfigDict(frozen=True)

    id: UUID
    user_name: UserName
    description: Description
    created_at: Annotated[AwareDatetime, AfterValidator(_within_the_calendar)]


@lru_cache(maxsize=64)  # an event names its time twice, and under load many share a millisecond
def created_at_text(created_at: datetime) -> str:
    """RFC 3339 in UTC with milliseconds and ``Z``: the one form used on the wire."""
    at = created_at if created_at.tzinfo is UTC else created_at.astimezone(UTC)
    minute = _minute_text(at.year, at.month, at.day, at.hour, at.minute)
    return f"{minute}{_TWO[at.second]}.{_THREE[at.microsecond // 1000]}Z"


# isoformat takes five times as long, which was a third of what a page costs.
@lru_cache(maxsize=1024)
def _minute_text(year: int, month: int, day: int, hour: int, minute: int) -> str:
    return f"{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:"
