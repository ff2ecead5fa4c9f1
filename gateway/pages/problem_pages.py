"""Where the ``type`` of a problem leads: what it means and what to do about it."""

from fastapi import APIRouter, Request, Response

from gateway.pages.html import language_of, page
from gateway.problems.document import Text, example, texts
from gateway.problems.errors import NotFoundError

router = APIRouter(include_in_schema=False)


@router.get("/problems/")
async def problems(request: Request) -> Response:
    """All kinds of problems."""
    by_status = sorted(texts().values(), key=lambda text: (text.status, text.code))
    return page(request, "problems.html", title="Problems", texts=by_status)


@router.get("/problems/{code}")
async def problem(request: Request, code: str) -> Response:
    """One kind of problem."""
    text: Text | None = texts().get(code)
    if text is None:
        raise NotFoundError
    language = language_of(request)
    return page(
        request, "problem.html", title=text.title[language], text=text, detail=example(code, language)["detail"]
    )
