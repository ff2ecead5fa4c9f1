"""The body of a request, never more of it than allowed.

What is left of a refused body, uvicorn reads and forgets, so that the client comes to read the answer; for how long
is bounded in connections.py.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import Any

from gateway.intake.bodies import Bodies, Share
from gateway.problems.errors import BodyTooLargeError, EncodingError, MediaTypeError

Receive = Callable[[], Awaitable[Mapping[str, Any]]]

JSON = "application/json"
NDJSON = "application/x-ndjson"
LINES = (NDJSON, "application/ndjson", "application/jsonl")
"""One JSON text on each line, by all names that it goes by; OpenAPI names the first."""

# Some editors put it before what they save as UTF-8; it may be ignored (RFC 8259, 8.1).
BYTE_ORDER_MARK = b"\xef\xbb\xbf"

_DIGITS = 20


class DisconnectedError(Exception):
    """The client left before its request was complete: nobody reads an answer."""


async def read(receive: Receive, *, limit: int, bodies: Bodies) -> bytes:
    """The whole body, at most ``limit`` bytes of it; one that comes in a single piece costs no book-keeping."""
    message = await receive()
    body: bytes = message.get("body", b"")
    if message.get("more_body") or message["type"] != "http.request" or len(body) > limit:
        with bodies.share() as share:
            return await _read_on(receive, message, limit, share)
    return body


async def pieces(receive: Receive, *, limit: int, share: Share) -> AsyncIterator[bytes]:
    """The body as it arrives, charged to ``share``; BodyTooLargeError as soon as it is longer than ``limit``."""
    received = 0
    more = True
    while more:
        message = await receive()
        if message["type"] != "http.request":
            raise DisconnectedError
        more = message.get("more_body", False)
        piece: bytes = message.get("body", b"")
        received += len(piece)
        if received > limit:
            raise BodyTooLargeError(limit=limit)
        share.take(len(piece))
        if not more:
            share.complete()
        yield piece


def check_declared(content_length: bytes | None, *, limit: int) -> None:
    """BodyTooLargeError for a body that says beforehand that it is longer than ``limit``."""
    digits = content_length or b""
    if len(digits) > _DIGITS:  # of which Python refuses to read too many, zeros in front included
        digits = digits.lstrip(b"0")[:_DIGITS]
    if digits.isdigit() and int(digits) > limit:
        raise BodyTooLargeError(limit=limit)


def check(headers: Mapping[bytes, bytes], *, accept: tuple[str, ...]) -> str:
    """The body's media type, one of ``accept``: with charset UTF-8 or none, and packed with nothing but gzip."""
    content_type = headers.get(b"content-type", b"").decode("latin-1")
    media_type, _, parameters = content_type.partition(";")
    media_type = media_type.strip().lower()
    if media_type not in accept or not _is_utf8(parameters):
        raise MediaTypeError(accept=", ".join(accept))
    if coding(headers) not in ("", "gzip"):
        raise EncodingError
    return media_type


def coding(headers: Mapping[bytes, bytes]) -> str:
    """What the body is packed with; empty for nothing (RFC 9110, 8.4.1)."""
    name = headers.get(b"content-encoding", b"").decode("latin-1").strip().lower()
    return {"identity": "", "x-gzip": "gzip"}.get(name, name)


async def _read_on(receive: Receive, first: Mapping[str, Any], limit: int, share: Share) -> bytes:
    async def from_first() -> Mapping[str, Any]:
        nonlocal first
        message, first = first, {}
        return message or await receive()

    return b"".join([piece async for piece in pieces(from_first, limit=limit, share=share)])


def _is_utf8(parameters: str) -> bool:
    for parameter in filter(None, (part.strip() for part in parameters.split(";"))):
        name, _, value = parameter.partition("=")
        if name.strip().lower() == "charset" and value.strip().strip('"').lower() not in ("utf-8", "utf8"):
            return False
    return True
