"""Where the ``type`` of a problem leads: what it means and what to do about it, as a page and as JSON."""

from typing import Any

from fastapi import APIRouter, Request, Response
from pydantic_core import to_json

from gateway.api.front import visit_of
from gateway.intake.body import JSON
from gateway.pages.html import language_of, page
from gateway.pages.negotiation import wants_json
from gateway.problems.document import Text, example, texts, type_of
from gateway.problems.errors import NotFoundError
from gateway.problems.languages import Language

router = APIRouter(include_in_schema=False)

_VARY = {"vary": "Accept, Accept-Language"}


@router.get("/problems")
@router.get("/problems/")
async def problems(request: Request) -> Response:
    """All kinds of problems."""
    by_status = sorted(texts().values(), key=lambda text: (text.status, text.code))
    if wants_json(request):
        language, public = language_of(request), visit_of(request).public
        return _json({"problems": [_fields(text, language, public) for text in by_status]}, language)
    return page(request, "problems.html", texts=by_status)


@router.get("/problems/{code}")
async def problem(request: Request, code: str) -> Response:
    """One kind of problem."""
    text: Text | None = texts().get(code)
    if text is None:
        raise NotFoundError
    language = language_of(request)
    if wants_json(request):
        return _json(_fields(text, language, visit_of(request).public), language)
    return page(request, "problem.html", text=text, detail=example(code, language)["detail"])


def _fields(text: Text, language: Language, public: str) -> dict[str, Any]:
    return {
        "type": type_of(text.code, public),
        "title": text.title[language],
        "status": text.status,
        "detail": example(text.code, language)["detail"],
        "mend": text.mend[language],
    }


def _json(value: dict[str, Any], language: Language) -> Response:
    return Response(to_json(value), media_type=JSON, headers=_VARY | {"content-language": language})
