"""The forms of an answer: its ETag and conditional requests (RFC 9110, 8.8.3 and 13.1.2), and packed with gzip.

Packed is what a client asks for so, where it is worth it. Never what has a secret and another's words in it at once:
how well it packs would tell of the secret (BREACH). In applications there is nothing but what people sent, and who may
read them may read them all; the form at `/`, with its hidden key beside what was typed, is never packed.
"""

import asyncio
import gzip
import hashlib
import re
import zlib
from collections.abc import AsyncIterator
from functools import lru_cache

LEAST_BYTES = 1024
# More is packed beside the event loop.
_LONG_BYTES = 64 * 1024
# The fastest level takes most of what there is to gain from JSON.
_LEVEL = 1

Field = tuple[bytes, bytes]
PACKED: Field = (b"content-encoding", b"gzip")
VARIES: Field = (b"vary", b"accept-encoding")
_TAG = re.compile(r'(?:W/)?("[\x21\x23-\x7e\x80-\xff]*")')


def etag(body: bytes, *, packed: bool = False) -> str:
    """A strong tag of the very bytes that are answered: of a body that is packed, another one."""
    return f'"{hashlib.sha256(body).hexdigest()[:24]}{"-gzip" if packed else ""}"'


def none_match(header: str, tag: str) -> bool:
    """Whether ``If-None-Match`` lets the answer be sent: weak comparison, ``*`` stands for whatever exists."""
    if header.strip() == "*":
        return False
    return tag not in _TAG.findall(header)


@lru_cache(256)
def accepts(header: bytes | None) -> bool:
    """Whether ``Accept-Encoding`` (RFC 9110, 12.5.3) asks for gzip, and not rather for what is not packed."""
    weights = dict(_weight(entry) for entry in (header or b"").decode("latin-1").lower().split(",") if entry.strip())
    gzip_ = weights.get("gzip", weights.get("x-gzip", weights.get("*", 0.0)))
    return gzip_ > 0 and gzip_ >= weights.get("identity", 0.0)


def _weight(entry: str) -> tuple[str, float]:
    coding, *parameters = (part.strip() for part in entry.split(";"))
    for parameter in parameters:
        name, _, value = parameter.partition("=")
        if name.strip() == "q":
            return coding, _quality(value.strip())
    return coding, 1.0


def _quality(text: str) -> float:
    """A weight as its grammar has it; any other is none: what is not understood is not packed."""
    digits = text.replace(".", "", 1)
    return float(text) if digits.isascii() and digits.isdigit() and len(text) <= 5 and float(text) <= 1 else 0.0


async def packed(value: bytes) -> bytes:
    """The same, packed; equal bytes pack to equal bytes."""
    if len(value) > _LONG_BYTES:
        return await asyncio.to_thread(_pack, value)
    return _pack(value)


def _pack(value: bytes) -> bytes:
    return gzip.compress(value, _LEVEL, mtime=0)


async def packed_pieces(pieces: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """One stream of gzip, of which every piece can be read as it comes."""
    deflate = zlib.compressobj(_LEVEL, zlib.DEFLATED, zlib.MAX_WBITS | 16)
    async for piece in pieces:
        yield deflate.compress(piece) + deflate.flush(zlib.Z_SYNC_FLUSH)
    yield deflate.flush()
