"""A plain form at / for people who have no curl: works without JavaScript, says beside each field what is wrong."""

import secrets
from dataclasses import dataclass
from urllib.parse import parse_qsl, urlencode
from uuid import UUID

from fastapi import APIRouter, Request, Response
from pydantic import ValidationError as PydanticError
from starlette.responses import RedirectResponse

from contracts import NewApplication, created_at_text
from gateway.api.front import front_of, visit_of
from gateway.commit.submission import KeyClaim, from_new
from gateway.intake import body
from gateway.intake.idempotency import parse
from gateway.intake.single import accepted_id
from gateway.pages.html import language_of, page
from gateway.problems import violations
from gateway.problems.document import texts
from gateway.problems.errors import CrossSiteError, GatewayError, MalformedFormError
from gateway.read.search import Search

router = APIRouter(include_in_schema=False)

_FORM = "application/x-www-form-urlencoded"
_NEWEST = 10
# A field that need not be filled in is left out where it is empty.
_FIELDS = {name: field.is_required() for name, field in NewApplication.model_fields.items()}


@router.get("/")
async def show(request: Request) -> Response:
    """The empty form and the newest applications; after a submission, its id."""
    return await _page(request, accepted=_uuid(request.query_params.get("accepted")))


@router.post("/")
async def submit(request: Request) -> Response:
    """Store what the form holds, then show the form again under its own address, so that reloading sends nothing."""
    front = front_of(request)
    if front.settings.auth_required:
        return await _page(request, status=403)
    _refuse_other_sites(request)
    values = await _values(request)
    try:
        new = NewApplication.model_validate(
            {name: values.get(name, "") for name, required in _FIELDS.items() if required or values.get(name)}
        )
    except PydanticError as error:
        return await _page(request, status=422, values=values, wrong=_wrong(request, error))
    try:
        claim = KeyClaim(visit_of(request).client, parse(values.get("key", "").encode("latin-1", "replace")), 3600)
        writer = front.running.writer
        accepted = await writer.submit(from_new(new, new_id=writer.new_id, claim=claim))
    except GatewayError as error:
        return await _page(request, status=error.status, values=values, error=error)
    lang = request.query_params.get("lang")
    place = {"accepted": accepted_id(accepted).decode()} | ({"lang": lang} if lang else {})
    return RedirectResponse("/?" + urlencode(place), status_code=303)


async def _page(
    request: Request,
    *,
    status: int = 200,
    values: dict[str, str] | None = None,
    wrong: dict[str, str] | None = None,
    error: GatewayError | None = None,
    accepted: str | None = None,
) -> Response:
    closed = front_of(request).settings.auth_required
    language = language_of(request)
    text = texts()[error.code] if error else None
    shown = {name: (values or {}).get(name, "") for name in _FIELDS}
    return page(
        request,
        "form.html",
        status=status,
        closed=closed,
        fields=_FIELDS,
        values=shown,
        wrong=wrong or {},
        problem=text and {"title": text.title[language], "mend": text.mend[language]},
        accepted=accepted,
        key=secrets.token_urlsafe(16),
        newest=None if closed else await _newest(request),
    )


@dataclass(frozen=True, slots=True)
class _Shown:
    id: UUID
    user_name: str
    description: str
    at: str
    shown: str


async def _newest(request: Request) -> list[_Shown] | None:
    """The newest applications; None where the database cannot tell right now, which must not cost us the form."""
    try:
        found = await front_of(request).running.reads.page(Search(size=_NEWEST, total="none"))
    except GatewayError:
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
    # Browsers send line ends as CR LF.
    return {name: value.replace("\r\n", "\n") for name, value in pairs}


def _wrong(request: Request, error: PydanticError) -> dict[str, str]:
    language = language_of(request)
    found = violations.of_body(error.errors(include_url=False, include_input=False))
    return {one.name.removeprefix("#/"): violations.text(one, language) for one in reversed(found)}


def _refuse_other_sites(request: Request) -> None:
    """A page elsewhere must not submit in its reader's name (Fetch Metadata, or Origin where a browser lacks it)."""
    site = request.headers.get("sec-fetch-site")
    if site is not None:
        if site not in {"same-origin", "none"}:
            raise CrossSiteError
        return
    origin = request.headers.get("origin")
    if origin is not None and origin.partition("://")[2] != request.headers.get("host"):
        raise CrossSiteError


def _uuid(text: str | None) -> str | None:
    try:
        return str(UUID(text)) if text else None
    except ValueError:
        return None
