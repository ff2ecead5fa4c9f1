"""The application: a thin ASGI front for POST /applications, and FastAPI for everything else."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from fastapi import FastAPI
from fastapi.responses import JSONResponse
from pydantic import ValidationError
from starlette.types import Receive, Scope, Send

from contracts import NewApplication
from gateway.errors import GatewayError
from gateway.service import Gateway, running
from gateway.settings import Settings
from gateway.submission import from_new

_VALIDATE = NewApplication.__pydantic_validator__.validate_json


class App:
    """The ASGI application of one process; ``gateway`` is there between start-up and shutdown."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.gateway: Gateway | None = None
        self._rest = _fastapi(self)

    @property
    def failed(self) -> bool:
        """True where a task that must never end has ended."""
        return self.gateway is not None and self.gateway.failed is not None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["method"] == "POST" and scope["path"] == "/applications":
            await self._post(receive, send)
        else:
            await self._rest(scope, receive, send)

    async def _post(self, receive: Receive, send: Send) -> None:
        body, more = b"", True
        while more:
            message = await receive()
            body += message.get("body", b"")
            more = message.get("more_body", False)
        assert self.gateway is not None  # noqa: S101 -- requests come after start-up
        try:
            accepted = await self.gateway.writer.submit(from_new(_VALIDATE(body)))
            status, answer = 201, accepted.value
        except ValidationError as error:
            status, answer = 422, error.json(include_url=False, include_input=False).encode()
        except GatewayError as error:
            status, answer = error.status, str(error).encode()
        headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(answer))]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": answer})


def create_app(settings: Settings) -> App:
    """The whole gateway, not started: its lifespan starts and drains it."""
    return App(settings)


def _fastapi(app: App) -> FastAPI:
    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        async with running(app.settings) as gateway:
            app.gateway = gateway
            yield

    api = FastAPI(title="Headgate", lifespan=lifespan)

    @api.get("/livez")
    async def livez() -> dict[str, str]:
        return {"status": "ok"}

    @api.get("/readyz")
    async def readyz() -> JSONResponse:
        assert app.gateway is not None  # noqa: S101 -- requests come after start-up
        reason = await app.gateway.health.ready()
        return JSONResponse({"ready": reason is None, "reason": reason}, 200 if reason is None else 503)

    @api.get("/healthz")
    async def healthz() -> dict[str, Any]:
        assert app.gateway is not None  # noqa: S101 -- requests come after start-up
        return await app.gateway.health.report()

    return api
