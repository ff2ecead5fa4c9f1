"""A response in one write: uvicorn writes its head and its body one after the other.

Each write is a system call and a packet, and a client that gets two packets is woken twice: more than a tenth of the
CPU time of a small POST, on either side.
"""

import asyncio
from typing import Any

from gateway.admission.crowd import Unread


class JoinedWrites(asyncio.Transport):
    """A connection's transport, on which what is written within one turn of the event loop goes out together."""

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop, unread: Unread) -> None:
        super().__init__()
        self._transport, self._loop, self._unread = transport, loop, unread
        self._pieces: list[bytes] = []

    def write(self, data: Any) -> None:
        """Keep a piece until the end of this turn."""
        if not self._pieces:
            self._loop.call_soon(self.flush)
        self._pieces.append(data)

    def close(self) -> None:
        """Write what is kept, then close."""
        self.flush()
        self._transport.close()

    def abort(self) -> None:
        """Close at once; what is kept is dropped."""
        self._pieces.clear()
        self._transport.abort()

    def forget(self) -> None:
        """The connection has ended: nothing waits for its client any more."""
        self._unread.forget(self._transport)

    def is_closing(self) -> bool:
        return self._transport.is_closing()

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return self._transport.get_extra_info(name, default)

    def get_write_buffer_size(self) -> int:
        return self._transport.get_write_buffer_size()

    def pause_reading(self) -> None:
        self._transport.pause_reading()

    def resume_reading(self) -> None:
        self._transport.resume_reading()

    def flush(self) -> None:
        """Write what is kept now; what of it the client leaves lying is counted."""
        if self._pieces:
            data = b"".join(self._pieces)
            self._pieces.clear()
            self._transport.write(data)
            if self._transport.get_write_buffer_size():
                self._unread.add(self._transport, len(data))
