"""What goes round every request: the token, the security headers, and errors as pages of ours."""

import logging
from collections.abc import Awaitable, Callable
from urllib.parse import quote

from aiohttp.typedefs import Middleware
from aiohttp.web import HTTPException, Request, Response, StreamResponse, middleware

from stream_workers.web.serving.access import Access
from stream_workers.web.serving.assets import is_current
from stream_workers.web.serving.guesses import EVERY_SECONDS

log = logging.getLogger(__name__)

Handler = Callable[[Request], Awaitable[StreamResponse]]
ErrorPage = Callable[[Request, int], Response]

# What the page and its scripts may do: nothing from elsewhere, nothing inline, no frame around it.
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}

# Orchestrators ask by address; health says nothing about anybody; the rest of this list is what the login page needs.
_PROBES = frozenset({"/livez", "/readyz"})
_OPEN = frozenset({"/livez", "/readyz", "/health", "/api/health", "/events/health", "/login", "/preferences"})


async def add_headers(root: str, request: Request, response: StreamResponse) -> None:
    """Called before the head of each response is sent; a place on this site is one below its root."""
    response.headers.update(HEADERS)
    if root and response.headers.get("Location", "").startswith("/"):
        response.headers["Location"] = root + response.headers["Location"]
    lasting = response.status in {200, 206, 304} and is_current(request.path_qs)
    response.headers.setdefault("Cache-Control", "public, max-age=31536000, immutable" if lasting else "no-store")


def guarded(access: Access, error_page: ErrorPage) -> Middleware:
    """A middleware: who has no token gets the login page or 401, and whatever goes wrong is a page of ours."""

    @middleware
    async def guard(request: Request, handler: Handler) -> StreamResponse:
        if request.path not in _PROBES and not access.called_right(request):
            return error_page(request, 421)
        if not is_open(request.path) and not access.may_look(request):
            return _refused(request, error_page, access)
        try:
            return await handler(request)
        except HTTPException as error:
            if error.status < 400:
                raise
            return error_page(request, error.status)
        except Exception:
            log.exception("the page %s failed", request.path)
            return error_page(request, 500)

    return guard


def is_open(path: str) -> bool:
    """Whether a page needs no token."""
    return path in _OPEN or path.startswith("/static/")


def for_people(request: Request) -> bool:
    """Whether a browser asks for a page, rather than a program for data."""
    return "text/html" in request.headers.get("Accept", "")


def _refused(request: Request, error_page: ErrorPage, access: Access) -> Response:
    if access.too_many(request):
        return too_many(error_page(request, 429))
    if request.method == "GET" and for_people(request):
        return Response(status=303, headers={"Location": f"/login?next={quote(request.path_qs, safe='/')}"})
    refused = error_page(request, 401)
    refused.headers["WWW-Authenticate"] = 'Bearer realm="headgate"'
    return refused


def too_many(refused: Response) -> Response:
    """The answer to one of too many wrong tokens: when the next one is looked at."""
    refused.headers["Retry-After"] = str(round(EVERY_SECONDS))
    return refused
