"""GET /metrics on a worker, for Prometheus; with the token where one is set."""

from typing import TYPE_CHECKING

from faust.web import Request, Response, View

from stream_workers import exposition
from stream_workers.settings import Settings
from stream_workers.web.pages import allowed

if TYPE_CHECKING:
    from stream_workers.app import Worker


def mount_metrics(worker: "Worker", settings: Settings) -> None:
    """Add the page to the worker's web server."""

    @worker.app.page("/metrics")
    async def metrics(self: View, request: Request) -> Response:
        if not allowed(settings, request):
            return self.text("A token is needed: Authorization: Bearer …", status=401)
        return self.bytes(exposition.page(worker), content_type=exposition.CONTENT_TYPE)
