"""What became of an application, for whoever submitted it and has its id: a page without JavaScript, in both languages.

It says how far the application is, not what is in it: an id is no secret.
"""

from dataclasses import dataclass
from uuid import UUID

from fastapi import APIRouter, Request, Response

from gateway.api.front import front_of, visit_of
from gateway.pages.html import language_of, page, problem_of
from gateway.problems.document import fields_of
from gateway.problems.errors import GatewayError
from gateway.publish.whereabouts import to_fields
from gateway.service import Gateway

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
    """What is known of it; None if no application has this id. DatabaseAwayError."""
    found = await gateway.whereabouts.find(id_)
    if found is None:
        return None
    fields = to_fields(id_, found)
    at = fields["stored"]["at"]
    return Standing(fields["state"], at, f"{at[:10]} {at[11:19]} UTC")


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
