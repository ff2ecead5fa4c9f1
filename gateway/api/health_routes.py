"""Alive, ready, and the state of everything that this process depends on."""

from typing import Any, Literal

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, ConfigDict
from pydantic_core import to_json

from gateway.api.openapi_parts import WITHOUT_KEY, answers
from gateway.health import Health
from gateway.intake.body import JSON

router = APIRouter(tags=["health"])


class Alive(BaseModel):
    """The process answers."""

    status: Literal["ok"] = "ok"


class Ready(BaseModel):
    """Whether a POST can be accepted now, and if not, why."""

    ready: bool
    reason: str | None


class Report(BaseModel):
    """The state of the whole and of each part. ``degraded`` still accepts: Kafka may be away."""

    model_config = ConfigDict(extra="allow")

    status: Literal["ok", "degraded", "unavailable"]
    dependencies: dict[str, dict[str, Any]]


@router.get(
    "/livez",
    operation_id="getLiveness",
    summary="Is the process alive?",
    openapi_extra=WITHOUT_KEY,
    responses=answers(common=False),
)
async def livez() -> Alive:
    """The process alone: no dependency is asked."""
    return Alive()


@router.get(
    "/readyz",
    operation_id="getReadiness",
    summary="Can it accept applications?",
    openapi_extra=WITHOUT_KEY,
    response_model=Ready,
    responses={**answers(common=False), 503: {"model": Ready, "description": "Not now"}},
)
async def readyz(request: Request) -> Response:
    """PostgreSQL and its schema decide; an absent Kafka does not."""
    reason = await health_of(request).ready()
    return _answer(200 if reason is None else 503, {"ready": reason is None, "reason": reason})


@router.get(
    "/healthz",
    operation_id="getHealth",
    summary="How is everything that it depends on?",
    response_model=Report,
    openapi_extra=WITHOUT_KEY,
    responses=answers(common=False),
)
async def healthz(request: Request) -> Response:
    """Always 200: the answer is about the dependencies, not about itself."""
    return _answer(200, await health_of(request).report())


def health_of(request: Request) -> Health:
    """What looks after the process that a request came to."""
    health: Health = request.app.state.health
    return health


def _answer(status: int, value: object) -> Response:
    return Response(to_json(value), status_code=status, media_type=JSON, headers={"cache-control": "no-store"})
