"""The calls on applications."""

from collections import Counter
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Path, Query, Request, Response

from gateway.api import reading
from gateway.api.exception_handlers import response
from gateway.api.front import front_of, visit_of
from gateway.api.openapi_parts import (
    BATCH_REQUEST,
    READ_ONE_REQUEST,
    READ_REQUEST,
    SUBMIT_REQUEST,
    answers,
    created,
    listed,
    one,
    results,
)
from gateway.intake.batch import submit_batch
from gateway.intake.single import submit_one
from gateway.problems.errors import ValidationError
from gateway.problems.violations import Violation
from gateway.read.search import Search

router = APIRouter(tags=["applications"])

_SUBMIT_PROBLEMS = (
    "malformed-json",
    "repeated-member",
    "idempotency-key-invalid",
    "body-too-large",
    "unsupported-media-type",
    "content-encoding",
)
# In a batch these are said of the item; `invalid` also of a body that is no array.
_SINGLE_PROBLEMS = ("invalid", "refused", "idempotency-key-reused", "idempotency-key-in-flight")


@router.post(
    "/applications",
    operation_id="submitApplication",
    summary="Submit one application",
    status_code=201,
    openapi_extra=SUBMIT_REQUEST,
    responses=created() | answers(*_SUBMIT_PROBLEMS, *_SINGLE_PROBLEMS, stores=True),
)
async def submit_application(request: Request) -> Response:
    """201 means: it is stored, and it will be published whatever fails from here on."""
    front = front_of(request)
    return response(
        *await submit_one(
            visit_of(request),
            request.receive,
            writer=front.running.writer,
            bodies=front.bodies,
            settings=front.settings,
        )
    )


@router.post(
    "/applications/batch",
    operation_id="submitBatch",
    summary="Submit many applications",
    openapi_extra=BATCH_REQUEST,
    responses=results() | answers(*_SUBMIT_PROBLEMS, "invalid", "batch-too-large", stores=True),
)
async def submit_applications(request: Request) -> Response:
    """Each item has a result of its own, in order; one bad item does not sink the others.

    `created`: stored now. `duplicate`: stored before under the same key; `id` is the first one's. `invalid`: wrong, and
    will be wrong again. `retry`: nothing wrong with it, send it again after `retry_after` seconds.
    """
    front = front_of(request)
    return response(
        *await submit_batch(
            visit_of(request),
            request.receive,
            writer=front.running.writer,
            limiter=front.gate.limiter,
            bodies=front.bodies,
            settings=front.settings,
        )
    )


@router.get(
    "/applications",
    operation_id="listApplications",
    summary="List applications",
    openapi_extra=READ_REQUEST,
    responses=listed()
    | answers(
        "cursor-invalid", "query-too-long", "invalid", "page-too-deep", "search-too-broad", "database-unavailable"
    ),
)
async def list_applications(request: Request, search: Annotated[Search, Query()]) -> Response:
    """Newest first. Small lists by `page`, long ones by `cursor`: a cursor costs the same at any depth, and what
    arrives meanwhile does not shift it. It may miss what is younger than a minute, because order by id is not
    order of commit; with a replica (DATABASE_READ_URL) any row younger than READ_LAG_SECONDS_MAX, unless the request
    has `Cache-Control: no-cache`.
    """
    refuse_repeated(request)
    return response(*await reading.page(visit_of(request), search, gateway=front_of(request).running))


@router.get(
    "/applications/{id:uuid}",
    operation_id="getApplication",
    summary="Read one application",
    openapi_extra=READ_ONE_REQUEST,
    responses=one() | answers("not-found", "database-unavailable"),
)
async def get_application(request: Request, id: Annotated[UUID, Path()]) -> Response:  # noqa: A002 -- the field's name
    """As its 201 showed it, byte for byte: an application never changes."""
    return response(*await reading.one(visit_of(request), id, gateway=front_of(request).running))


def refuse_repeated(request: Request) -> None:
    """A parameter that is given twice says two things; neither is guessed."""
    names = Counter(name for name, _ in request.query_params.multi_items())
    repeated = sorted(name for name, count in names.items() if count > 1)
    if repeated:
        raise ValidationError([Violation("parameter", name[:100], "repeated", {}, "") for name in repeated])
