"""What a client may ask of a stream or an export."""

import re
from collections.abc import Mapping
from typing import Annotated
from uuid import UUID

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from contracts import first_id
from gateway.problems.errors import ValidationError
from gateway.problems.violations import Violation
from gateway.read.parameters import Time
from gateway.read.search import OWNER, Name

_ID = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_BEGINNING = UUID(int=0)

LAST_EVENT_ID = b"last-event-id"


def _in_its_form(value: object) -> object:
    """UUID() would also take braces, `urn:uuid:` and hyphens anywhere."""
    if isinstance(value, str) and not _ID.fullmatch(value):
        raise ValueError("must be an id as in an answer")
    return value


Id = Annotated[UUID, BeforeValidator(_in_its_form)]


class Following(BaseModel):
    """Which applications, and from where on."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    user_name: Name | None = Field(None, description="exactly this name")
    created_from: Time | None = Field(None, description="not before this time (RFC 3339)")
    after: Id | None = Field(None, description="what comes after this id: of the last one that was seen")

    def names(self, owner: UUID | None) -> Mapping[str, str | UUID]:
        """The values of the filters, by name; ``owner`` where a key reads only what it wrote."""
        given = {"user_name": self.user_name, OWNER: owner}
        return {name: value for name, value in given.items() if value is not None}

    def begins(self) -> UUID | None:
        """The id after which it begins; None where nothing was asked."""
        places = [self.after] if self.after else []
        if self.created_from:
            places.append(first_id(self.created_from))
        return max(places, default=None)


class Export(Following):
    """The same up to a time."""

    created_to: Time | None = Field(None, description="before this time (RFC 3339)")

    def check(self) -> None:
        """What no single parameter shows."""
        if self.created_from and self.created_to and self.created_from > self.created_to:
            raise ValidationError([Violation("parameter", "created_from", "order", {"other": "created_to"}, "")])

    def begins(self) -> UUID:
        return super().begins() or _BEGINNING


def last_seen(header: bytes | None) -> UUID | None:
    """What a client that comes back has seen; None for none."""
    text = (header or b"").decode("latin-1").strip()
    if not text:
        return None
    if not _ID.fullmatch(text):
        raise ValidationError([Violation("header", "Last-Event-ID", "uuid_parsing", {}, "must be an id")])
    return UUID(text)
