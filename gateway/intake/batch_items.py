"""The items of a batch, read from the body as it arrives: a JSON array, or one JSON object a line (NDJSON).

What is wrong with one item is said of that item; only a body that has no items to speak of is refused as a whole.
"""

from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from typing import Annotated

from pydantic import StringConstraints, TypeAdapter
from pydantic import ValidationError as PydanticError

from contracts import NewApplication
from gateway.intake import json_body
from gateway.intake.json_array import ArrayReader, Repeated
from gateway.problems import violations
from gateway.problems.errors import BatchTooLargeError, GatewayError, RepeatedMemberError, ValidationError

ItemKey = Annotated[
    str, StringConstraints(min_length=1, max_length=255, pattern=r"^[\x21-\x7e]([\x20-\x7e]*[\x21-\x7e])?$")
]


class BatchItem(NewApplication):
    """An application in a batch: with a key of its own, so that a repeated batch stores it once."""

    idempotency_key: ItemKey | None = None


@dataclass(frozen=True, slots=True)
class Invalid:
    """An item that cannot be stored, and why."""

    error: GatewayError


Item = BatchItem | Invalid

_from_json = BatchItem.__pydantic_validator__.validate_json
_from_object = BatchItem.__pydantic_validator__.validate_python

# Up to this size an array is kept whole and read in one step, which holds the event loop for about a millisecond.
_WHOLE_BYTES = 256 * 1024
_from_plain_array = TypeAdapter(list[BatchItem]).validate_json


async def from_lines(pieces: AsyncIterator[bytes], *, limit: int) -> list[Item]:
    """NDJSON: each line by itself. Empty lines are skipped."""
    items: list[Item] = []
    rest = b""
    async for piece in pieces:
        *lines, rest = (rest + piece).split(b"\n") if b"\n" in piece else (rest + piece,)
        _extend(items, (_from_line(line) for line in lines if line.strip()), limit)
    _extend(items, (_from_line(line) for line in (rest,) if line.strip()), limit)
    return items


async def from_array(pieces: AsyncIterator[bytes], *, limit: int) -> list[Item]:
    """One JSON array. A fault of its syntax is the whole body's: MalformedJsonError; another value: ValidationError."""
    kept: list[bytes] = []
    size = 0
    async for piece in pieces:
        kept.append(piece)
        size += len(piece)
        if size > _WHOLE_BYTES:
            break
    else:
        plain = _plain_items(b"".join(kept), limit)
        if plain is not None:
            return plain
    items: list[Item] = []
    reader = ArrayReader()
    for piece in kept:
        _extend(items, map(_from_value, reader.feed(piece)), limit)
    async for piece in pieces:
        _extend(items, map(_from_value, reader.feed(piece)), limit)
    _extend(items, map(_from_value, reader.end()), limit)
    return items


def _plain_items(body: bytes, limit: int) -> list[Item] | None:
    """The items of an array in which all is well and nothing is escaped; None for any other, to be read with care.

    An object that names a member twice would have more quotation marks than its fields need.
    """
    try:
        items = _from_plain_array(body)
    except PydanticError:
        return None
    if len(items) > limit:
        return None
    quotes = body.count(b'"')
    plain = quotes == len(items) * json_body.LEAST_QUOTES or quotes == sum(map(json_body.plain_quotes, items))
    return list(items) if plain else None


def _extend(items: list[Item], more: Iterator[Item], limit: int) -> None:
    for item in more:
        if len(items) == limit:
            raise BatchTooLargeError(limit=limit)
        items.append(item)


def _from_line(line: bytes) -> Item:
    try:
        item: BatchItem = _from_json(line)
        if not json_body.is_plain(line, item):
            json_body.refuse_repeated_members(line)
    except PydanticError as error:
        return Invalid(json_body.error_of(error, line, BatchItem))
    except GatewayError as error:
        return Invalid(error)
    return item


def _from_value(value: object) -> Item:
    if isinstance(value, Repeated):
        return Invalid(RepeatedMemberError())
    left_out = 0
    if isinstance(value, dict) and len(value) > json_body.ERRORS_MAX:
        left_out = len(value)
        value = json_body.first_members(value, BatchItem)
        left_out -= len(value)
    try:
        return _from_object(value)  # type: ignore[no-any-return]  # the validator of BatchItem
    except PydanticError as error:
        found = violations.of_body(error.errors(include_url=False, include_input=False))
        return Invalid(ValidationError(found[: json_body.ERRORS_MAX], count=len(found) + left_out))
