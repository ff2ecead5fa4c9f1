"""All connections of one process together: answers that nobody reads, and the few places that are kept for probes."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

PROBES_RESERVE = 16
"""Connections past CONNECTIONS_MAX, each of which may ask one probe."""

PROGRESS = 64 * 1024
"""Who does not read so many bytes in the time allowed reads as good as nothing."""

# An answer counts as read this far from its beginning: the newest is not the slowest.
_CREDIT = 256 * 1024


class Peer(Protocol):
    """What is known of a client that an answer is written to: a transport."""

    def get_write_buffer_size(self) -> int: ...
    def abort(self) -> None: ...


class Guest(Protocol):
    """A connection in the reserve; ``silent`` while it has sent nothing."""

    @property
    def silent(self) -> bool: ...
    def give_way(self) -> None: ...


class Crowd:
    """One for the process."""

    def __init__(self, answers_max_bytes: int) -> None:
        self.unread = Unread(answers_max_bytes)
        self.reserve = Reserve(PROBES_RESERVE)
        self.doorstep: dict[Any, Any] = {}
        """Connections that shake hands, the oldest first, with what aborts them."""


class Reserve:
    """Who has a place and says nothing gives way to whoever comes: a probe speaks at once."""

    def __init__(self, places: int) -> None:
        self._places = places
        self._guests: dict[Guest, None] = {}

    def admit(self, guest: Guest) -> bool:
        """Whether there is a place; the oldest that is silent makes one."""
        if len(self._guests) >= self._places:
            silent = next((one for one in self._guests if one.silent), None)
            if silent is None:
                return False
            self.leave(silent)
            silent.give_way()
        self._guests[guest] = None
        return True

    def leave(self, guest: Guest) -> None:
        """To be called for each connection that ends, in the reserve or not."""
        self._guests.pop(guest, None)


@dataclass(slots=True)
class _Wait:
    """What one client has left lying: bytes written since ``began``, ``unread`` of them when last looked at."""

    began: float
    marked_at: float
    written: int = 0
    unread: int = 0
    marked: int = 0

    @property
    def read(self) -> int:
        return self.written - self.unread

    def rate(self, now: float) -> float:
        return (self.read + _CREDIT) / (now - self.began + 1)


class Unread:
    """The budget of bytes that wait in the process to be read. Where it is used up, the slowest reader is cut."""

    def __init__(self, limit: int, clock: Callable[[], float] = time.monotonic) -> None:
        self.held = 0
        self._limit = limit
        self._clock = clock
        self._waits: dict[Peer, _Wait] = {}

    def add(self, peer: Peer, size: int) -> None:
        """Of ``size`` bytes that were written, some did not go out at once."""
        now = self._clock()
        wait = self._waits.setdefault(peer, _Wait(began=now, marked_at=now))
        wait.written += size
        self._see(peer, wait)
        if self.held > self._limit:
            self._make_room(now)

    def forget(self, peer: Peer) -> None:
        """To be called for each connection that ends."""
        wait = self._waits.pop(peer, None)
        if wait is not None:
            self.held -= wait.unread

    def cut(self, seconds: float) -> None:
        """Cut who has read as good as nothing for so long. To be called about once a second."""
        self._look()
        now = self._clock()
        for peer, wait in list(self._waits.items()):
            if wait.read - wait.marked >= PROGRESS:
                wait.marked, wait.marked_at = wait.read, now
            elif now - wait.marked_at > seconds:
                self._abort(peer)

    def cut_all(self) -> None:
        """Nobody is waited for any longer."""
        for peer in list(self._waits):
            self._abort(peer)

    def _make_room(self, now: float) -> None:
        self._look()
        while self.held > self._limit:
            self._abort(min(self._waits, key=lambda peer: self._waits[peer].rate(now)))

    def _look(self) -> None:
        for peer, wait in list(self._waits.items()):
            self._see(peer, wait)
            if not wait.unread:
                self.forget(peer)

    def _see(self, peer: Peer, wait: _Wait) -> None:
        unread = peer.get_write_buffer_size()
        self.held += unread - wait.unread
        wait.unread = unread

    def _abort(self, peer: Peer) -> None:
        self.forget(peer)
        peer.abort()
