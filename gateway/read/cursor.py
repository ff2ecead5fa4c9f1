"""The cursor of a list: where the page ended, opaque to clients, bound to its filters and order.

Version 1 is base64url, without padding, of: one byte version, 16 bytes id of the last item, 6 bytes of SHA-256 over
the filters and the order, so that a cursor does not silently continue another search.
"""

import base64
import binascii
import hashlib
from collections.abc import Mapping
from uuid import UUID

from gateway.problems.errors import CursorInvalidError

_VERSION = 1
_BINDING_BYTES = 6
_LENGTH = 1 + 16 + _BINDING_BYTES


def encode(last: UUID, search: Mapping[str, str]) -> str:
    """The cursor that continues ``search`` after the item ``last``."""
    raw = bytes([_VERSION]) + last.bytes + _binding(search)
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def decode(cursor: str, search: Mapping[str, str]) -> UUID:
    """The id to continue after; CursorInvalidError for what ``encode`` did not make for the same search."""
    try:
        raw = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError) as error:
        raise CursorInvalidError(str(error)) from error
    if len(raw) != _LENGTH or raw[0] != _VERSION or raw[17:] != _binding(search):
        raise CursorInvalidError
    last = UUID(bytes=raw[1:17])
    # Unused bits of the last character could spell one cursor in several ways.
    if encode(last, search) != cursor:
        raise CursorInvalidError
    return last


def _binding(search: Mapping[str, str]) -> bytes:
    canonical = "\n".join(f"{len(value)}:{name}={value}" for name, value in sorted(search.items()))
    return hashlib.sha256(canonical.encode("utf-8", "surrogatepass")).digest()[:_BINDING_BYTES]
