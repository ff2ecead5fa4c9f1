"""GET /metrics, for Prometheus. API keys, where required, need the scope `operations`."""

from fastapi import APIRouter, Request, Response

from gateway.api import exposition
from gateway.api.front import front_of
from gateway.api.health_routes import health_of
from runtime.exposition import CONTENT_TYPE, page

router = APIRouter(include_in_schema=False)


@router.get("/metrics")
async def metrics(request: Request) -> Response:
    """The figures of this process and of its siblings, and what is the same for all of them."""
    front = front_of(request)
    families = [
        *exposition.own(front, front.siblings.process),
        *await front.siblings.families(),
        *exposition.shared(await health_of(request).report()),
    ]
    return Response(page(families), media_type=CONTENT_TYPE)
