"""The least that any Python service can do for a read: answer bytes of the same size from memory."""

from typing import Any
from urllib.parse import parse_qs

from bench.baselines.bare_asgi import answer, lifespan
from bench.baselines.fields import Fields
from bench.load import DESCRIPTION
from contracts import time_of, value_of
from gateway.database.ids import Ids

_ID = Ids()()
_ONE = value_of(Fields(_ID, "user-000000", "d" * DESCRIPTION, time_of(_ID)))
_PAGES = {size: b'{"items":[' + b",".join([_ONE] * size) + b'],"total":10000}' for size in (20, 100)}


def create_app() -> Any:
    """The ASGI application."""
    return _answer


async def _answer(scope: Any, receive: Any, send: Any) -> None:
    if scope["type"] != "http":
        await lifespan(receive, send)
        return
    value = _ONE
    if scope["path"] == "/applications":
        value = _PAGES[int(parse_qs(scope["query_string"]).get(b"size", [b"20"])[0])]
    await answer(send, 200, value)
