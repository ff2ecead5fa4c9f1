"""GET /metrics on a worker, for Prometheus; with the token where one is set."""

from aiohttp.web import Request, Response, StreamResponse

from runtime.exposition import CONTENT_TYPE
from stream_workers.parts import Worker
from stream_workers.settings import Settings
from stream_workers.web.serving import exposition
from stream_workers.web.serving.access import Access
from stream_workers.web.serving.pages import add_page
from stream_workers.web.serving.protection import too_many


def mount_metrics(worker: Worker, settings: Settings) -> None:
    """Add the page to the worker's web server."""
    access = Access.of(settings)

    async def metrics(request: Request) -> StreamResponse:
        if not access.may_look(request):
            if access.too_many(request):
                return too_many(Response(text="Too many wrong tokens came from this address.", status=429))
            return Response(text="A token is needed: Authorization: Bearer …", status=401)
        return Response(body=exposition.page(worker), headers={"Content-Type": CONTENT_TYPE})

    add_page(worker.app, "/metrics", get=metrics)
