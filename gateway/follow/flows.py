"""What a stream and an export send, piece by piece: server-sent events without end, and lines up to an end."""

import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import Any
from uuid import UUID

from gateway.follow.followers import Followers, Piece
from gateway.problems.errors import DatabaseAwayError

# A client, and every proxy between, hears something so often.
HEARTBEAT_SECONDS = 15.0
LEAVE_SECONDS = 10.0
# How soon a browser comes back (milliseconds).
_RETRY = b"retry: 1000\n"
# Where the id stands in an application's JSON, which begins {"id":"…
_ID = slice(7, 43)
# What is larger on the average is read in smaller parts.
_LARGE = 2 * 1024


class Leave:
    """Whether a client may still read what it reads, asked again while it does: its key may have been revoked."""

    def __init__(self, ask: Callable[[], Awaitable[bool]], clock: Callable[[], float] = time.monotonic) -> None:
        self._ask, self._clock = ask, clock
        self._asked = clock()

    async def holds(self) -> bool:
        """As it was within the last ten seconds."""
        if self._clock() - self._asked < LEAVE_SECONDS:
            return True
        self._asked = self._clock()
        return await self._ask()


async def events(followers: Followers, names: Mapping[str, Any], after: UUID, leave: Leave) -> AsyncIterator[bytes]:
    """Server-sent events (WHATWG HTML, 9.2), each with its application's id; ends when the process stops.

    An id without data only moves the place that a client comes back to: so it comes back to where it began, too.
    Without ``leave`` it ends; who comes back is told why.
    """
    yield _RETRY + _place(after)
    told = time.monotonic()
    async for piece, after in _pieces(followers, names, after):  # noqa: B020 -- it goes on from there
        if not await leave.holds():
            return
        if piece.values:
            yield b"".join(b"id: %b\ndata: %b\n\n" % (value[_ID], value) for value in piece.values)
            told = time.monotonic()
        elif time.monotonic() - told >= HEARTBEAT_SECONDS:
            yield b": still here\n" + _place(after)
            told = time.monotonic()


async def lines(
    followers: Followers, names: Mapping[str, Any], after: UUID, until: UUID, leave: Leave
) -> AsyncIterator[bytes]:
    """One application on each line, all below ``until``; CutError where the process or ``leave`` ends before."""
    async for piece, place in _pieces(followers, names, after):
        below = [value for value in piece.values if UUID(value[_ID].decode()) < until]
        if below:
            yield b"".join(value + b"\n" for value in below)
        if place >= until:
            return
        if not await leave.holds():
            break
    raise CutError


class CutError(Exception):
    """There would be more: the connection is cut, so that nobody takes a part for the whole."""


async def _pieces(followers: Followers, names: Mapping[str, Any], after: UUID) -> AsyncIterator[tuple[Piece, UUID]]:
    """Piece after piece, and the place after each; empty ones too, so that whoever waits hears of it."""
    few = False
    while not followers.ending:
        try:
            piece = await followers.read(names, after, few=few)
        except DatabaseAwayError:
            piece = Piece([], after, None, whole=True)
        after = piece.last
        few = bool(piece.values) and sum(map(len, piece.values)) > _LARGE * len(piece.values)
        yield piece, after
        if piece.whole and not followers.ending:
            await followers.change(HEARTBEAT_SECONDS)


def _place(after: UUID) -> bytes:
    return b"id: %b\n\n" % str(after).encode()
