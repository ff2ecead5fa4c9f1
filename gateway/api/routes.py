"""The calls on applications."""

from collections import Counter
from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter, Path, Query, Request, Response
from pydantic_core import to_json

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
    status,
)
from gateway.intake import body
from gateway.intake.batch import submit_batch
from gateway.intake.single import submit_one
from gateway.problems.errors import NotFoundError, ValidationError
from gateway.problems.violations import Violation
from gateway.publish.whereabouts import to_fields
from gateway.read.search import Search

router = APIRouter(tags=["applications"])

_SUBMIT_PROBLEMS = (
    "malformed-json",
    "repeated-member",
    "idempotency-key-invalid",
    "body-too-large",
    "unsupported-media-type",
    "content-encoding",
    "malformed-gzip",
)
# In a batch these are said of the item; `invalid` also of a body that is no array.
_SINGLE_PROBLEMS = ("invalid", "refused", "idempotency-key-reused", "idempotency-key-in-flight")
# The last two of one that is stored as a whole.
_BATCH_PROBLEMS = ("invalid", "batch-too-large", "refused", "idempotency-key-in-flight")


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
    responses=results() | answers(*_SUBMIT_PROBLEMS, *_BATCH_PROBLEMS, stores=True),
)
async def submit_applications(
    request: Request,
    atomic: Annotated[
        Literal["true", "false"], Query(description="`true`: all of it is stored in one transaction, or nothing")
    ] = "false",
) -> Response:
    """Each item has a result of its own, in order; one bad item does not sink the others.

    `created`: stored now. `duplicate`: stored before under the same key; `id` is the first one's. `invalid`: wrong, and
    will be wrong again. `retry`: nothing wrong with it, send it again after `retry_after` seconds.

    With `atomic=true` all items are stored together or none is: then the answer says what was wrong, each item's place
    first (`#/2/user_name`). At most COMMIT_BATCH_MAX items, none with a key of its own; the header `Idempotency-Key`
    stands for this very batch.
    """
    refuse_repeated(request)
    front = front_of(request)
    return response(
        *await submit_batch(
            visit_of(request),
            request.receive,
            writer=front.running.writer,
            limiter=front.gate.limiter,
            bodies=front.bodies,
            settings=front.settings,
            atomic=atomic == "true",
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


@router.get(
    "/applications/{id:uuid}/status",
    operation_id="getApplicationStatus",
    summary="Ask where an application is by now",
    responses=status() | answers("not-found", "database-unavailable"),
)
async def get_status(request: Request, id: Annotated[UUID, Path()]) -> Response:  # noqa: A002 -- the field's name
    """Stored, published (with partition and offset), counted. What Kafka does not say within three seconds is null; the
    times of the last two are when this gateway first saw it.
    """
    found = await front_of(request).running.whereabouts.find(id, visit_of(request).owner)
    if found is None:
        raise NotFoundError
    value = to_json(to_fields(id, found))
    headers = [(b"content-type", body.JSON.encode()), (b"content-length", b"%d" % len(value))]
    return response(200, [*headers, (b"cache-control", b"no-store")], value)


def refuse_repeated(request: Request) -> None:
    """A parameter that is given twice says two things; neither is guessed."""
    names = Counter(name for name, _ in request.query_params.multi_items())
    repeated = sorted(name for name, count in names.items() if count > 1)
    if repeated:
        raise ValidationError([Violation("parameter", name[:100], "repeated", {}, "") for name in repeated])
