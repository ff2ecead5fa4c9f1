"""A response in one write: uvicorn writes its head and its body one after the other.

Each write is a system call and a packet, and a client that gets two packets is woken twice: more than a tenth of the
CPU time of a small POST, on either side.
"""

import asyncio
from collections.abc import Sequence
from typing import Any

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, RequestResponseCycle

from gateway.admission.connections.crowd import Unread
from gateway.admission.visit import CLOSE, Header

# As uvicorn has it of a value.
_CONTROLS = bytes((*range(0x09), *range(0x0A, 0x20), 0x7F))


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

    def write_whole(self, data: bytes) -> None:
        """Write what no other piece belongs to: at once, unless others wait to go before it."""
        if self._pieces:
            self._pieces.append(data)
        else:
            self._out(data)

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
        """Write what is kept now."""
        if self._pieces:
            data = b"".join(self._pieces)
            self._pieces.clear()
            self._out(data)

    def _out(self, data: bytes) -> None:
        """What of it the client leaves lying is counted."""
        self._transport.write(data)
        if self._transport.get_write_buffer_size():
            self._unread.add(self._transport, len(data))


def in_one(status: int, fields: Sequence[Header], body: bytes) -> bytes:
    """An answer as it goes over the wire; ValueError for a field that holds what no field may."""
    head = b"\r\n".join(map(b": ".join, fields))
    if len(head) - len(head.translate(None, _CONTROLS)) != 2 * (len(fields) - 1):  # those between the fields
        raise ValueError("a header field with a control character in it")
    return b"".join((STATUS_LINE[status], head, b"\r\n\r\n", body))


def answer_whole(send: object, status: int, headers: list[Header], body: bytes) -> bool:
    """Give an answer that is complete, its length among its fields; False where it has to be sent in the usual way.

    uvicorn looks at each field of an answer several times, for what an application may have left out or done wrong:
    as much work as all the rest of this process's own for a small answer. ``send`` is what uvicorn gave; whoever has
    put something around it has a reason to see what is sent.
    """
    cycle = getattr(send, "__self__", None)
    if type(cycle) is not RequestResponseCycle or cycle.flow.write_paused or cycle.response_started:
        return False
    if cycle.disconnected:
        return True
    if CLOSE in headers:
        cycle.keep_alive = False
    elif not cycle.keep_alive:
        headers = [*headers, CLOSE]
    shown = b"" if cycle.scope["method"] == "HEAD" else body
    written = in_one(status, [*cycle.default_headers, *headers], shown)
    cycle.response_started = cycle.response_complete = True
    cycle.waiting_for_100_continue = False
    cycle.transport.write_whole(written)  # type: ignore[attr-defined]  # JoinedWrites
    cycle.message_event.set()
    if not cycle.keep_alive:
        cycle.transport.close()
    cycle.on_response()
    return True
