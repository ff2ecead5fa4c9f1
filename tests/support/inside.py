"""A gateway inside the test's own event loop: its ASGI application, its parts, and a client that calls it directly."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx

from gateway.admission.window import SlidingWindow
from gateway.api.front import Front
from gateway.app import create_app
from gateway.settings import Settings


@asynccontextmanager
async def served(settings: Settings) -> AsyncIterator[tuple[Front, httpx.AsyncClient]]:
    """A started gateway that can be asked; it is drained at the end of the block."""
    front = create_app(settings)
    stop_the_minute(front)
    api = front.api
    transport = httpx.ASGITransport(app=front, raise_app_exceptions=False)
    async with (
        api.router.lifespan_context(api),
        httpx.AsyncClient(transport=transport, base_url="http://gateway") as client,
    ):
        yield front, client


def stop_the_minute(front: Front) -> None:
    """The rate limit's minute never ends: who used up the limit has none left, however long the machine takes."""
    if (limiter := front.gate.limiter) is not None:
        limiter.window = SlidingWindow(limiter.limit, clock=lambda: 1_000_000.0)
