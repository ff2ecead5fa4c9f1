"""The cursor of a list: where a page ended or began, opaque to clients, bound to its filters and order.

It is base64url, without padding, of: one byte, 1 for what comes after the item and 2 for what comes before it; 16 bytes
id of the item; 6 bytes of SHA-256 over the filters and the order, so that a cursor does not silently continue another
search.
"""

import base64
import binascii
import hashlib
from collections.abc import Mapping
from typing import NamedTuple
from uuid import UUID

from gateway.problems.errors import CursorInvalidError

_AFTER, _BEFORE = 1, 2
_BINDING_BYTES = 6
_LENGTH = 1 + 16 + _BINDING_BYTES


class Place(NamedTuple):
    """The items after ``item`` in the order of the list, or those before it."""

    item: UUID
    backwards: bool = False


def encode(place: Place, search: Mapping[str, str]) -> str:
    """The cursor that continues ``search`` at ``place``."""
    raw = bytes([_BEFORE if place.backwards else _AFTER]) + place.item.bytes + _binding(search)
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def decode(cursor: str, search: Mapping[str, str]) -> Place:
    """Where to continue; CursorInvalidError for what ``encode`` did not make for the same search."""
    try:
        raw = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError) as error:
        raise CursorInvalidError(str(error)) from error
    if len(raw) != _LENGTH or raw[0] not in (_AFTER, _BEFORE) or raw[17:] != _binding(search):
        raise CursorInvalidError
    place = Place(UUID(bytes=raw[1:17]), raw[0] == _BEFORE)
    # Unused bits of the last character could spell one cursor in several ways.
    if encode(place, search) != cursor:
        raise CursorInvalidError
    return place


def _binding(search: Mapping[str, str]) -> bytes:
    canonical = "\n".join(f"{len(value)}:{name}={value}" for name, value in sorted(search.items()))
    return hashlib.sha256(canonical.encode("utf-8", "surrogatepass")).digest()[:_BINDING_BYTES]
