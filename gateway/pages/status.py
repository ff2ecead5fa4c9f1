"""What became of an application, for whoever submitted it and has its id: a page without JavaScript, in both languages.

It says how far the application is, not what is in it: an id is no secret.
"""

from dataclasses import dataclass
from uuid import UUID

from fastapi import APIRouter, Request, Response

from contracts import created_at_text, milliseconds_of
from gateway.api.front import front_of, visit_of
from gateway.pages.html import language_of, page, problem_of
from gateway.problems.document import fields_of
from gateway.problems.errors import GatewayError
from gateway.read.first_answer import first_of
from gateway.service import Gateway
from runtime.instants import instant

router = APIRouter(include_in_schema=False)


@dataclass(frozen=True, slots=True)
class Standing:
    """How far an application is: ``step`` is a word of the catalogue. ``at``: when it was accepted."""

    step: str
    at: str
    shown: str


@router.get("/status")
async def status(request: Request) -> Response:
    """The form for an id; with ``?id=`` what is known of it, or why nothing can be told."""
    text = request.query_params.get("id", "").strip()
    id_ = _uuid(text)
    if front_of(request).settings.auth_required or not text:
        return _page(request, text, error=visit_of(request).refusal)
    if id_ is None:
        return _page(request, text, code=422, wrong=True)
    try:
        _refuse(request)
        standing = await standing_of(front_of(request).running, id_)
    except GatewayError as error:
        return _page(request, text, error=error)
    return _page(request, str(id_), code=200 if standing else 404, standing=standing, sought=True)


async def standing_of(gateway: Gateway, id_: UUID) -> Standing | None:
    """What the database tells; None if no application has this id. DatabaseAwayError."""
    stored = await first_of(gateway.reads, gateway.replica, lambda reads: reads.one(id_))
    at = instant(milliseconds_of(id_) / 1000)
    if stored is None or at is None:
        return None
    text = created_at_text(at)
    return Standing("stored", text, f"{text[:10]} {text[11:19]} UTC")


def _page(
    request: Request,
    id_: str,
    *,
    code: int = 200,
    error: GatewayError | None = None,
    standing: Standing | None = None,
    sought: bool = False,
    wrong: bool = False,
) -> Response:
    return page(
        request,
        "status.html",
        status=error.status if error else code,
        headers=fields_of(error) if error else (),
        closed=front_of(request).settings.auth_required,
        problem=problem_of(error, language_of(request)) if error else None,
        id=id_,
        standing=standing,
        sought=sought,
        wrong=wrong,
    )


def _refuse(request: Request) -> None:
    """What the gate has found."""
    if refusal := visit_of(request).refusal:
        raise refusal


def _uuid(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None
