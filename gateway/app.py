"""The whole gateway put together: the front, and FastAPI behind it."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI

from gateway.admission.api_keys import ApiKeys
from gateway.admission.gate import Gate
from gateway.admission.rate_limit import RateLimiter
from gateway.api import exception_handlers, exposition, following, health_routes, metrics_route, openapi, routes
from gateway.api.front import Front
from gateway.database import key_sweep, month_watch
from gateway.health import Health
from gateway.pages import docs, events, form, index, problem_pages, status
from gateway.service import running
from gateway.settings import Settings
from runtime import release
from runtime.kafka.access.exposure import exposed

log = logging.getLogger(__name__)


def create_app(settings: Settings, *, fast: bool = True) -> Front:
    """The ASGI application, not started: its lifespan starts and drains it."""
    limit = settings.rate_limit_per_minute
    # A key may have a limit of its own where there is none for everybody.
    limited = limit or settings.auth_required
    limiter = RateLimiter(limit, storage=settings.limit_storage) if limited else None
    api = create_api()
    front = Front(api, settings, Gate(settings, limiter), fast=fast)
    api.state.front = front
    return front


def create_api() -> FastAPI:
    """All routes, with nothing behind them yet: enough to print the OpenAPI document."""
    api = FastAPI(
        title="Headgate",
        version=release.version(),
        lifespan=_lifespan,
        openapi_url="/openapi.json",
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        root_path_in_servers=False,
    )
    for router in (
        routes.router,
        following.router,
        health_routes.router,
        metrics_route.router,
        docs.router,
        events.router,
        problem_pages.router,
        form.router,
        index.router,
        status.router,
    ):
        api.include_router(router)
    docs.mount_static(api)
    exception_handlers.install(api)
    openapi.install(api)
    return api


@asynccontextmanager
async def _lifespan(api: FastAPI) -> AsyncIterator[None]:
    front: Front = api.state.front
    _say_what_is_open(front.settings)
    async with running(front.settings) as gateway:
        front.gateway = gateway
        api.state.health = health = Health(gateway)
        await front.siblings.start(lambda: exposition.own(front, front.siblings.process))
        front.gate.keys = keys = ApiKeys(gateway.engine)
        quiet = [
            asyncio.create_task(key_sweep.run(gateway.engine), name="key sweep"),
            asyncio.create_task(month_watch.run(gateway.engine), name="months"),
        ]
        yield
        for task in quiet:
            task.cancel()
        await asyncio.gather(*quiet, return_exceptions=True)
        await keys.close()
        await health.close()
    front.siblings.stop()
    if front.gate.limiter is not None:
        await front.gate.limiter.aclose()


def _say_what_is_open(settings: Settings) -> None:
    if not settings.auth_required:
        log.warning(
            "NO API KEY IS REQUIRED: whoever reaches this port may submit and read (AUTH_REQUIRED=true changes that)"
        )
    if said := exposed(settings.kafka):
        log.warning(said)
    if settings.rate_limit_per_minute == 0:
        log.warning("The rate limit is off (RATE_LIMIT_PER_MINUTE=0)")
    elif settings.gateway_processes > 1 and settings.limit_storage.startswith("memory:"):
        log.warning(
            "RATE_LIMIT_STORAGE=memory:// counts in each of the %d processes by itself", settings.gateway_processes
        )
