"""Mounts the pages, their JSON and their live updates on a worker's web server.

``/livez``: the process answers. ``/readyz``: it takes part in counting. Each page has its JSON under the same address
below ``/api``, and its live updates below ``/events``.
"""

from collections.abc import Awaitable, Callable
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import Any

from aiohttp.web import Request, StreamResponse
from faust.web import View

from stream_workers.kafka.batches import BatchApp
from stream_workers.web.facts.names import in_full, shown_users
from stream_workers.web.serving.assets import STATIC
from stream_workers.web.serving.forms import Forms
from stream_workers.web.serving.protection import add_headers, guarded
from stream_workers.web.serving.site import Site, below, json_response
from stream_workers.web.showing.export import FORMS

Ready = Callable[[], str | None]
Answer = Callable[[Request], Awaitable[StreamResponse]]

PATHS = {
    "overview": "/",
    "history": "/history",
    "partitions": "/partitions",
    "groups": "/groups",
    "tables": "/tables",
    "entry": "/tables/{table}/{key}",
    "agents": "/agents",
    "live": "/live",
    "dead-letters": "/dead-letters",
    "letter": "/dead-letters/{partition}/{offset}",
    "events": "/events",
    "trace": "/trace",
    "health": "/health",
}


def mount_health(app: BatchApp, *, ready: Ready) -> None:
    """What orchestrators ask, on every worker."""

    async def livez(_request: Request) -> StreamResponse:
        return json_response({"status": "ok"})

    async def readyz(_request: Request) -> StreamResponse:
        missing = ready()
        return json_response({"status": missing or "ok"}, status=503 if missing else 200)

    add_page(app, "/livez", get=livez)
    add_page(app, "/readyz", get=readyz)


def mount_pages(app: BatchApp, site: Site, forms: Forms) -> None:
    """Everything that people see, on a metrics worker."""
    server: Any = app.web
    server.web_app.middlewares.append(guarded(site.access, site.error))
    server.web_app.on_response_prepare.append(partial(add_headers, site.root))
    server.web_app.on_shutdown.append(_closing(site))
    server.add_static("/static", Path(str(STATIC)))
    for name, path in PATHS.items():
        add_page(app, path, get=partial(site.page, name))
        add_page(app, below("/api", path), get=partial(site.json, name))
        add_page(app, below("/events", path), get=partial(site.events, name))
    for form in FORMS:
        add_page(app, f"/export/live.{form}", get=partial(site.export, form))
    add_page(app, "/search", get=site.search)
    add_page(app, "/login", get=forms.show_login, post=forms.login)
    add_page(app, "/logout", post=forms.logout)
    add_page(app, "/preferences", get=forms.show_preferences, post=forms.set_preferences)
    add_page(app, "/redrive", post=forms.redrive)
    add_page(app, "/api/history.csv", get=site.history_csv)
    add_page(app, "/api/metrics", get=partial(_counters, site))


async def _counters(site: Site, request: Request) -> StreamResponse:
    """Every counter there is, as the read model merges them."""
    read_model = site.facts.read_model
    snapshot = read_model.snapshot()
    users = shown_users(snapshot.active_users, names=in_full(site.asked(request)))
    site.log_names(request, "metrics")
    shown = replace(snapshot, active_users=users)
    return json_response({**asdict(shown), "trend": [asdict(sample) for sample in read_model.trend]})


def add_page(app: BatchApp, path: str, **methods: Answer) -> None:
    """A page of Faust's; it makes a class of each, whose methods get the parts of the path by name."""

    def method(answer: Answer) -> Any:
        async def handle(_view: View, request: Request, **_path: str) -> StreamResponse:
            return await answer(request)

        return handle

    made: Any = type("Page", (View,), {name: method(answer) for name, answer in methods.items()})
    app.page(path, name=path)(made)


def _closing(site: Site) -> Callable[[object], Awaitable[None]]:
    async def close(_app: object) -> None:
        site.streams.close()
        site.open_streams.close()
        await site.facts.board.close()

    return close
