"""The least that any Python service can do for this call: read, validate, answer the same JSON. Stores nothing."""

from typing import Any

from bench.baselines.fields import Fields
from contracts import NewApplication, time_of, value_of
from gateway.database.ids import Ids

new_id = Ids()

_VALIDATE = NewApplication.__pydantic_validator__.validate_json


def create_app() -> Any:
    """The ASGI application; it answers every request as if it were the POST."""
    return _answer


async def _answer(scope: Any, receive: Any, send: Any) -> None:
    if scope["type"] != "http":
        await lifespan(receive, send)
        return
    status, value = 200, b"{}"
    if scope["method"] == "POST":
        message = await receive()
        body = message["body"]
        while message.get("more_body"):
            message = await receive()
            body += message.get("body", b"")
        new, id_ = _VALIDATE(body), new_id()
        status = 201
        value = value_of(Fields(id_, new.user_name, new.description, time_of(id_)))
    await answer(send, status, value)


async def answer(send: Any, status: int, value: bytes) -> None:
    """The JSON, with no more around it than HTTP asks for."""
    headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(value))]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": value})


async def lifespan(receive: Any, send: Any) -> None:
    """Start and stop with the server, with nothing to do for it."""
    while True:
        message = await receive()
        await send({"type": f"{message['type']}.complete"})
        if message["type"] == "lifespan.shutdown":
            return
