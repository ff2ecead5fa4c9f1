"""What programs ask for first: where everything is, and whom to tell of a weakness (RFC 9116)."""

from datetime import UTC, datetime, timedelta
from typing import Any

from fastapi import APIRouter, Request, Response
from pydantic_core import to_json
from starlette.responses import PlainTextResponse

from gateway.api.front import front_of, visit_of
from gateway.intake.body import JSON
from gateway.problems.errors import NotFoundError
from runtime import release

router = APIRouter(include_in_schema=False)

# The word of a gateway that runs with this setting now holds for a while.
_HOLDS = timedelta(days=90)
_PLACES = {
    "applications": "/applications",
    "batch": "/applications/batch",
    "stream": "/applications/stream",
    "export": "/applications/export",
    "health": "/healthz",
    "metrics": "/metrics",
    "problems": "/problems",
    "documentation": "/docs",
    "openapi": "/openapi.json",
    "asyncapi": "/asyncapi.json",
}


def index(request: Request) -> Response:
    """The root for programs."""
    public = visit_of(request).public
    value: dict[str, Any] = {
        "name": "headgate",
        "version": release.version(),
        "api_versions": {"v1": f"{public}/v1"},
        "links": {name: public + path for name, path in _PLACES.items()},
    }
    return Response(to_json(value), media_type=JSON, headers={"vary": "Accept", "cache-control": "no-store"})


@router.get("/.well-known/security.txt")
async def security(request: Request) -> Response:
    """Where SECURITY_CONTACT is set."""
    settings = front_of(request).settings
    if not settings.security_contact:
        raise NotFoundError
    expires = (datetime.now(UTC) + _HOLDS).replace(microsecond=0).isoformat().replace("+00:00", "Z")
    lines = [*(f"Contact: {one}" for one in settings.security_contact), f"Expires: {expires}"]
    lines.append("Preferred-Languages: en, ru")
    if settings.public_url:
        lines.append(f"Canonical: {visit_of(request).public}/.well-known/security.txt")
    return PlainTextResponse("\n".join([*lines, ""]))
