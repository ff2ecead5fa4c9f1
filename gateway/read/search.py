"""What a client may ask of the list."""

import re
from collections.abc import Callable, Mapping
from functools import cached_property
from typing import Annotated, Any, Literal
from urllib.parse import urlencode
from uuid import UUID

from pydantic import AfterValidator, BaseModel, ConfigDict, Field
from pydantic_core import PydanticCustomError

from contracts import Application, UserName, first_id, normalised
from gateway.problems.errors import PageTooDeepError, ValidationError
from gateway.problems.violations import Violation
from gateway.read.parameters import Integer, Time

SIZE_MAX = 100
SIZE_DEFAULT = 20
# Beyond this many items a page number is refused: a page costs what lies before it, a cursor does not.
DEPTH_MAX = 100_000

Name = Annotated[UserName, AfterValidator(normalised)]
Order = Literal["created_at", "-created_at"]

# The filter that may have to read every name there is.
PART = "user_name__like"

# Which part of the list is asked for; all other parameters say which list.
_PLACE = {"page", "size", "cursor", "fields", "total"}


def _named(text: str) -> str:
    """Names of fields, each once; given back in the order that an application has them."""
    names = text.split(",")
    if len(set(names)) < len(names) or not set(names) <= set(Application.model_fields):
        expected = ", ".join(Application.model_fields)
        raise PydanticCustomError("fields", "must be some of {expected}, with commas", {"expected": f"'{expected}'"})
    return ",".join(name for name in Application.model_fields if name in names)


Fields = Annotated[str, AfterValidator(_named)]


class Search(BaseModel):
    """Filters, order and place of one page."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    user_name: Name | None = Field(None, description="exactly this name")
    user_name__like: Name | None = Field(None, description="names that contain this, in any case of letters")
    created_from: Time | None = Field(None, description="not before this time (RFC 3339)")
    created_to: Time | None = Field(None, description="before this time (RFC 3339)")
    order_by: Order = Field("-created_at", description="oldest or newest first")
    page: Integer | None = Field(None, ge=1, description="1 is the first; not together with `cursor`")
    size: Integer = Field(SIZE_DEFAULT, ge=1, le=SIZE_MAX, description="items on one page")
    cursor: str | None = Field(None, max_length=64, description="`next_cursor` or `prev_cursor` of an earlier answer")

    fields: Fields | None = Field(None, description="of each item only these, with commas: `id,created_at`")
    total: Literal["none"] | None = Field(None, description="`none`: do not count, which makes the answer cheaper")

    @property
    def newest_first(self) -> bool:
        return self.order_by == "-created_at"

    @property
    def offset(self) -> int:
        return ((self.page or 1) - 1) * self.size

    def check(self) -> None:
        """What no single parameter shows: parameters that exclude each other, and pages that are too deep."""
        if self.page is not None and self.cursor is not None:
            raise ValidationError([_violation("page", "not_together", "cursor")])
        if self.created_from and self.created_to and self.created_from > self.created_to:
            raise ValidationError([_violation("created_from", "order", "created_to")])
        if self.offset + self.size > DEPTH_MAX:
            raise PageTooDeepError(limit=DEPTH_MAX)

    def of(self, owner: UUID | None) -> "Search":
        """The same for a key that reads only what it wrote; None: for one that reads all."""
        if owner is None:
            return self
        return OwnSearch.model_construct(**{name: getattr(self, name) for name in Search.model_fields}, owner=owner)

    @cached_property
    def filters(self) -> Mapping[str, str]:
        """Filters and order as text: what a cursor is bound to, and what a link repeats."""
        found = self.model_dump(mode="json", exclude=_PLACE, exclude_none=True)
        return {name: str(value) for name, value in found.items()}

    @cached_property
    def repeated(self) -> str:
        """What every link to another part of this list repeats, as a query."""
        kept = {name: value for name in ("fields", "total") if (value := getattr(self, name)) is not None}
        return urlencode({**self.filters, "size": str(self.size), **kept})

    @cached_property
    def bound(self) -> Mapping[str, str | UUID]:
        """The filters' values as ``statements.CONDITIONS`` of these names take them.

        Time is filtered by id: the id begins with it, and the primary key is its index.
        """
        given = {name: getattr(self, name) for name in FILTERS}
        return {name: _BOUND.get(name, _itself)(value) for name, value in given.items() if value is not None}


class OwnSearch(Search):
    """The same among what one key wrote; whose that is is no parameter, and stands in no link and no cursor."""

    owner: UUID = Field(exclude=True)

    @cached_property
    def bound(self) -> Mapping[str, str | UUID]:
        return {**super().bound, OWNER: self.owner}


OWNER = "owner"
"""The name of the filter that no client asks for: the gate says whose applications a key reads."""

FILTERS = tuple(name for name in Search.model_fields if name not in {*_PLACE, "order_by"})


def _pattern(part: str) -> str:
    """LIKE's pattern for "contains this"; what is special in patterns is escaped with a slash."""
    return "%" + re.sub("[/%_]", r"/\g<0>", part) + "%"


def _itself(value: str) -> str:
    return value


# What a filter's value becomes where it is not compared with its column as it is.
_BOUND: Mapping[str, Callable[[Any], str | UUID]] = {
    PART: _pattern,
    "created_from": first_id,
    "created_to": first_id,
}


def _violation(name: str, code: str, other: str) -> Violation:
    return Violation("parameter", name, code, {"other": other}, "")
