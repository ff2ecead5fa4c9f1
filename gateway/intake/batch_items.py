"""The items of a batch, read from the body as it arrives: a JSON array, or one JSON object a line (NDJSON).

What is wrong with one item is said of that item; only a body that has no items to speak of is refused as a whole.
"""

from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass
from typing import Annotated

from pydantic import StringConstraints
from pydantic import ValidationError as PydanticError
from pydantic_core import SchemaValidator, core_schema

from contracts import NewApplication
from gateway.intake import json_body
from gateway.intake.body import BYTE_ORDER_MARK
from gateway.intake.json_array import ELEMENT_MAX_CHARACTERS, ArrayReader
from gateway.intake.turns import PART_BYTES, Turns
from gateway.problems.errors import (
    BatchTooLargeError,
    BodyTooLargeError,
    GatewayError,
    ValidationError,
)

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

_from_json = json_body.reader_of(BatchItem)

# Up to this size an array is kept whole and read in one step, which holds the event loop for about a millisecond.
_WHOLE_BYTES = 256 * 1024
_plain_array = SchemaValidator(
    json_body.or_else(core_schema.list_schema(BatchItem.__pydantic_core_schema__, fail_fast=True), default=None)
)

LINE_MAX_BYTES = ELEMENT_MAX_CHARACTERS
"""A line may be as long as an element of an array."""

ERRORS_MAX = 1_000
"""So many errors of one batch are told; of each further item that is wrong the first, with their number."""

# What is read before other requests have their turn.
_PART_ITEMS = 200
_SPACE = b" \t\r"


class _Items:
    """What has been read so far; BatchTooLargeError with more than ``limit``."""

    def __init__(self, limit: int, turns: Turns) -> None:
        self.found: list[Item] = []
        self._limit, self._turns = limit, turns
        self._errors_left = ERRORS_MAX

    async def extend(self, items: Iterable[Item]) -> None:
        for item in items:
            if len(self.found) == self._limit:
                raise BatchTooLargeError(limit=self._limit)
            if len(self.found) % _PART_ITEMS == 0:
                await self._turns.next()
            if isinstance(item, Invalid) and isinstance(item.error, ValidationError):
                item.error.keep(max(1, self._errors_left))
                self._errors_left -= len(item.error.violations)
            self.found.append(item)


async def from_lines(pieces: AsyncIterator[bytes], *, limit: int, turns: Turns) -> list[Item]:
    """NDJSON: each line by itself. Empty lines are skipped, and so is what is left of a line that is too long."""
    items = _Items(limit, turns)
    rest, too_long = b"", False
    async for piece in _in_turns(pieces, turns):
        *lines, last = piece.split(b"\n")
        if lines:
            lines[0] = rest + lines[0]
            await items.extend(_from_line(line) for line in lines[too_long:] if line.strip())
            rest, too_long = b"", False
        if not too_long:
            rest = (rest + last).lstrip(_SPACE)
        if len(rest) > LINE_MAX_BYTES:
            await items.extend((_from_line(rest),))
            rest, too_long = b"", True
    await items.extend(_from_line(line) for line in (rest,) if line.strip())
    return items.found


async def from_array(pieces: AsyncIterator[bytes], *, limit: int, turns: Turns) -> list[Item]:
    """One JSON array. A fault of its syntax is the whole body's: MalformedJsonError; another value: ValidationError."""
    kept: list[bytes] = []
    size = 0
    async for piece in pieces:
        kept.append(piece)
        size += len(piece)
        if size > _WHOLE_BYTES:
            break
    else:
        plain = _plain_items(b"".join(kept).removeprefix(BYTE_ORDER_MARK), limit)
        if plain is not None:
            return plain
    items, reader = _Items(limit, turns), ArrayReader()
    async for piece in _in_turns(_with_first(kept, pieces), turns):
        await items.extend(map(_from_line, reader.feed(piece)))
    await items.extend(map(_from_line, reader.end()))
    return items.found


async def _with_first(kept: list[bytes], pieces: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    for piece in kept:
        yield piece
    async for piece in pieces:
        yield piece


async def _in_turns(pieces: AsyncIterator[bytes], turns: Turns) -> AsyncIterator[bytes]:
    """The same in parts, none of which holds the event loop for long, whatever it is made of."""
    async for piece in pieces:
        for start in range(0, len(piece), PART_BYTES):
            await turns.next()
            yield piece[start : start + PART_BYTES]


def _plain_items(body: bytes, limit: int) -> list[Item] | None:
    """The items of an array in which all is well and nothing is escaped; None for any other, to be read with care.

    An object that names a member twice would have more quotation marks than its fields need.
    """
    if max(body.count(b"{"), body.count(b"[")) > json_body.PARTS_MAX:
        return None
    try:
        items: list[BatchItem] | None = _plain_array.validate_json(body)
    except PydanticError:
        return None
    if items is None or len(items) > limit:
        return None
    quotes = body.count(b'"')
    plain = quotes == len(items) * json_body.LEAST_QUOTES or quotes == sum(map(json_body.plain_quotes, items))
    return list(items) if plain else None


def _from_line(line: bytes) -> Item:
    """The verdict on one item, the same as on a body that is this item alone."""
    try:
        if len(line) > LINE_MAX_BYTES:
            raise BodyTooLargeError(limit=LINE_MAX_BYTES)
        return _from_json(line)
    except GatewayError as error:
        return Invalid(error)
