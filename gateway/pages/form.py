"""A plain form at / for people who have no curl: works without JavaScript, says beside each field what is wrong."""

import logging
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from urllib.parse import parse_qsl, urlencode
from uuid import UUID

from fastapi import APIRouter, Request, Response
from pydantic import ValidationError as PydanticError
from starlette.responses import RedirectResponse

from contracts import NewApplication, created_at_text
from gateway.api.front import front_of, visit_of
from gateway.commit.submission import Accepted, KeyClaim, from_new
from gateway.intake import body
from gateway.intake.body import DisconnectedError
from gateway.intake.idempotency import parse
from gateway.intake.single import accepted_id
from gateway.pages.html import language_of, page, problem_of
from gateway.pages.index import index
from gateway.pages.negotiation import wants_json
from gateway.problems import violations
from gateway.problems.document import fields_of
from gateway.problems.errors import (
    CrossSiteError,
    GatewayError,
    KeyInvalidError,
    KeyReusedError,
    MalformedFormError,
    RepeatedMemberError,
    ValidationError,
)
from gateway.problems.languages import Language
from gateway.read.search import Search

log = logging.getLogger(__name__)

router = APIRouter(include_in_schema=False)

_FORM = "application/x-www-form-urlencoded"
_NEWEST = 10
_KEY = "key"
# A field that need not be filled in is left out where it is empty.
_FIELDS = {name: field.is_required() for name, field in NewApplication.model_fields.items()}


@router.get("/")
async def show(request: Request) -> Response:
    """The empty form and the newest applications; after a submission, its id. For programs, where everything is."""
    if wants_json(request):
        if (refusal := visit_of(request).refusal) is not None:
            raise refusal
        return index(request)
    return await _page(request, accepted=_uuid(request.query_params.get("accepted")), error=visit_of(request).refusal)


@router.post("/")
async def submit(request: Request) -> Response:
    """Store what the form holds, then show the form again under its own address, so that reloading sends nothing.

    Whatever it is refused with is a page, too, which keeps the text and the key: sent again, it is the same one.
    """
    if front_of(request).settings.auth_required:
        return await _page(request)
    values: dict[str, str] = {}
    try:
        values = await _values(request)
        _refuse(request)
        accepted = await _store(request, values)
    except GatewayError as error:
        return await _page(request, values=values, error=error)
    except DisconnectedError:
        raise
    except Exception as error:
        log.exception("A form was not stored", extra={"request_id": visit_of(request).request_id})
        return await _page(request, values=values, error=GatewayError(str(error)))
    lang = request.query_params.get("lang")
    place = {"accepted": accepted_id(accepted).decode()} | ({"lang": lang} if lang else {})
    return RedirectResponse(f"{visit_of(request).root}/?{urlencode(place)}", status_code=303)


async def _store(request: Request, values: dict[str, str]) -> Accepted:
    claim = KeyClaim(visit_of(request).client, parse(values.get(_KEY, "").encode("latin-1", "replace")), 3600)
    said = {name: text for name, text in values.items() if name != _KEY and (text or _FIELDS.get(name, True))}
    try:
        new = NewApplication.model_validate(said)
    except PydanticError as error:
        raise ValidationError(violations.of_body(error.errors(include_url=False, include_input=False))) from None
    writer = front_of(request).running.writer
    return await writer.submit(from_new(new, new_id=writer.new_id, claim=claim))


async def _page(
    request: Request,
    *,
    values: Mapping[str, str] = MappingProxyType({}),
    error: GatewayError | None = None,
    accepted: str | None = None,
) -> Response:
    closed = front_of(request).settings.auth_required
    refused = visit_of(request).refusal is not None
    return page(
        request,
        "form.html",
        status=error.status if error else 403 if closed and request.method == "POST" else 200,
        headers=fields_of(error) if error else (),
        closed=closed,
        fields=_FIELDS,
        values={name: values.get(name, "") for name in _FIELDS},
        accepted=accepted,
        key=_key(values, error),
        newest=None if closed or refused else await _newest(request),
        said=_said_of(error, language_of(request)),
    )


def _key(values: Mapping[str, str], error: GatewayError | None) -> str:
    """The form's own key for as long as it may stand for this text; a fresh one where it cannot."""
    known = error is not None and not isinstance(error, (KeyInvalidError, KeyReusedError))
    return (known and values.get(_KEY)) or secrets.token_urlsafe(16)


def _said_of(error: GatewayError | None, language: Language) -> dict[str, object]:
    """What is wrong: beside each field, and above the form what belongs to none."""
    found = error.violations if isinstance(error, ValidationError) else ()
    told = {one.name.removeprefix("#/"): violations.text(one, language) for one in reversed(found)}
    wrong = {name: text for name, text in told.items() if name in _FIELDS}
    problem = None
    if error is not None and (not found or len(wrong) < len(told)):
        problem = problem_of(error, language)
    others = {name: text for name, text in told.items() if name not in _FIELDS}
    return {"wrong": wrong, "problem": problem, "others": others}


@dataclass(frozen=True, slots=True)
class _Shown:
    id: UUID
    user_name: str
    description: str
    at: str
    shown: str


async def _newest(request: Request) -> list[_Shown] | None:
    """The newest applications; None where they cannot be told right now, which must not cost us the form."""
    try:
        found = await front_of(request).running.reads.page(Search(size=_NEWEST, total="none"))
    except GatewayError:
        return None
    except Exception:
        log.exception("The newest applications were not read", extra={"request_id": visit_of(request).request_id})
        return None
    shown = []
    for row in found.items:
        at = created_at_text(row.created_at)
        shown.append(_Shown(row.id, row.user_name, row.description, at, f"{at[:10]} {at[11:19]} UTC"))
    return shown


async def _values(request: Request) -> dict[str, str]:
    front = front_of(request)
    limit = front.settings.body_max_bytes
    headers = visit_of(request).headers
    body.check(headers, accept=(_FORM,))
    body.check_declared(headers.get(b"content-length"), limit=limit)
    raw = await body.read(request.receive, limit=limit, bodies=front.bodies)
    try:
        pairs = parse_qsl(raw.decode("ascii"), keep_blank_values=True, errors="strict", max_num_fields=10)
    except ValueError as error:
        raise MalformedFormError(str(error)) from error
    values = dict(pairs)
    if len(values) != len(pairs):
        raise RepeatedMemberError
    # Browsers send line ends as CR LF.
    return {name: value.replace("\r\n", "\n") for name, value in values.items()}


def _refuse(request: Request) -> None:
    """What the gate has found; and a page elsewhere must not submit in its reader's name (Fetch Metadata, or Origin
    where a browser lacks it).
    """
    refusal = visit_of(request).refusal
    if refusal is not None:
        raise refusal
    site = request.headers.get("sec-fetch-site")
    if site is not None:
        if site not in {"same-origin", "none"}:
            raise CrossSiteError
        return
    origin = request.headers.get("origin")
    host = visit_of(request).called or request.headers.get("host")
    if origin is not None and origin.partition("://")[2] != host:
        raise CrossSiteError


def _uuid(text: str | None) -> str | None:
    try:
        return str(UUID(text)) if text else None
    except ValueError:
        return None
