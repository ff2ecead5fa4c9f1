"""Bodies that come packed with gzip (RFC 1952): unpacked piece by piece, never more of them than a plain one may have.

Whatever is unpacked is judged, charged and refused downstream as if it had come so: a bomb ends at the first piece
that is too much.
"""

import zlib
from collections.abc import Mapping
from typing import Any

from gateway.intake.body import DisconnectedError, Receive
from gateway.intake.turns import Turns
from gateway.problems.errors import BodyTooLargeError, MalformedEncodingError

# So much is unpacked at a time, and other requests have their turn between.
_PIECE_BYTES = 64 * 1024
_GZIP = zlib.MAX_WBITS | 16
# Nobody packs a body in more members than that; each costs as much as a small body, however little is in it.
_MEMBERS_MAX = 16


def unpacked(receive: Receive, *, limit: int, turns: Turns) -> Receive:
    """A ``receive`` of what is in it. MalformedEncodingError; BodyTooLargeError where too much comes."""
    return _Unpacking(receive, limit, turns).receive


class _Unpacking:
    def __init__(self, receive: Receive, limit: int, turns: Turns) -> None:
        self._receive, self._limit, self._turns = receive, limit, turns
        self._inflate = zlib.decompressobj(_GZIP)
        self._packed = b""
        self._received = 0
        self._members = 1
        self._more = True

    async def receive(self) -> Mapping[str, Any]:
        """The next piece, and whether there is more."""
        while True:
            await self._turns.next()
            piece = self._next()
            ended = self._ended()
            if piece or ended:
                return {"type": "http.request", "body": piece, "more_body": not ended}
            await self._fetch()

    def _next(self) -> bytes:
        """What the bytes at hand give, at most a piece; a member that ends may be followed by another one."""
        if self._inflate.eof and self._packed:
            self._begin_another()
        try:
            piece = self._inflate.decompress(self._packed, _PIECE_BYTES)
        except zlib.error:
            raise MalformedEncodingError from None
        self._packed = self._inflate.unused_data or self._inflate.unconsumed_tail
        return piece

    def _begin_another(self) -> None:
        self._members += 1
        if self._members > _MEMBERS_MAX:
            raise MalformedEncodingError
        self._inflate = zlib.decompressobj(_GZIP)

    def _ended(self) -> bool:
        return not self._more and not self._packed and self._inflate.eof

    async def _fetch(self) -> None:
        if self._packed:
            return
        if not self._more:
            raise MalformedEncodingError
        message = await self._receive()
        if message["type"] != "http.request":
            raise DisconnectedError
        self._packed, self._more = message.get("body", b""), message.get("more_body", False)
        self._received += len(self._packed)
        if self._received > self._limit:
            raise BodyTooLargeError(limit=self._limit)
