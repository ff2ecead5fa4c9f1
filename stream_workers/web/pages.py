"""Mounts the pages and their JSON on a worker's web server.

``/livez``: the process answers. ``/readyz``: it takes part in counting. ``/api/metrics``: the read model as JSON.
"""

import html
from collections.abc import Callable
from dataclasses import asdict
from hmac import compare_digest
from typing import Any

import orjson
from faust.web import Request, Response, View

from stream_workers.batches import BatchApp
from stream_workers.settings import Settings
from stream_workers.web.read_model import ReadModel

Ready = Callable[[], str | None]


def mount(app: BatchApp, settings: Settings, *, ready: Ready, read_model: ReadModel | None) -> None:
    """Add the pages. ``ready`` says what is missing, None if nothing; only the metrics worker has a ``read_model``."""

    @app.page("/livez")
    async def livez(self: View, request: Request) -> Response:  # noqa: ARG001 -- Faust's signature
        return _json(self, {"status": "ok"})

    @app.page("/readyz")
    async def readyz(self: View, request: Request) -> Response:  # noqa: ARG001 -- Faust's signature
        missing = ready()
        return _json(self, {"status": missing or "ok"}, status=503 if missing else 200)

    if read_model is None:
        return

    @app.page("/api/metrics")
    async def metrics(self: View, request: Request) -> Response:
        if not allowed(settings, request):
            return _json(self, {"status": "a token is needed: Authorization: Bearer …"}, status=401)
        return _json(self, {**asdict(read_model.snapshot()), "trend": [asdict(sample) for sample in read_model.trend]})

    @app.page("/")
    async def overview(self: View, request: Request) -> Response:
        if not allowed(settings, request):
            return self.text("A token is needed: Authorization: Bearer …", status=401)
        return self.html(_overview(read_model))


def allowed(settings: Settings, request: Request) -> bool:
    """Whether the request has the token, where one is set."""
    if settings.worker_web_token is None:
        return True
    given = request.headers.get("Authorization", "").removeprefix("Bearer ")
    return compare_digest(given.encode(), settings.worker_web_token.get_secret_value().encode())


def _json(view: View, value: dict[str, Any], *, status: int = 200) -> Response:
    body = orjson.dumps(value, option=orjson.OPT_NON_STR_KEYS)
    return view.bytes(body, content_type="application/json", status=status)


def _overview(read_model: ReadModel) -> str:
    seen = read_model.snapshot()
    rows = {
        "Applications counted": seen.total,
        "Today": seen.today,
        "This hour": seen.this_hour,
        "Waiting to be counted": "unknown" if seen.lag is None else seen.lag,
        "Dead letters": seen.dead,
        "Distinct users": f"≈ {seen.distinct_users.value:.0f}",
    }
    lines = "".join(f"<tr><th scope=row>{html.escape(name)}</th><td>{value}</td></tr>" for name, value in rows.items())
    head = "<!doctype html><html lang=en><meta charset=utf-8><title>Headgate</title><h1>Headgate</h1>"
    return f"{head}<table>{lines}</table>"
