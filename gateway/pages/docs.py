"""/docs and /redoc, all of it served from here: some providers block the usual hosts of such files."""

from importlib.resources import as_file, files
from pathlib import Path

from fastapi import APIRouter, FastAPI, Request, Response
from starlette.responses import RedirectResponse
from starlette.staticfiles import StaticFiles

from gateway.api.front import visit_of
from gateway.pages.html import page

router = APIRouter(include_in_schema=False)

_VENDOR = "/static/vendor"

# Both programs set style attributes and sheets from their scripts, which needs 'unsafe-inline' for styles alone.
_SWAGGER_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


@router.get("/docs")
async def docs(request: Request) -> Response:
    """Swagger UI: every call can be tried."""
    return page(
        request,
        "docs.html",
        policy=_SWAGGER_POLICY,
        title="API",
        styles=[f"{_VENDOR}/swagger-ui/swagger-ui.css"],
        scripts=[f"{_VENDOR}/swagger-ui/swagger-ui-bundle.js", "/static/docs.js"],
    )


@router.get("/redoc")
async def redoc(request: Request) -> Response:
    """ReDoc: for reading."""
    return page(
        request,
        "docs.html",
        policy=_SWAGGER_POLICY,
        title="Reference",
        styles=[],
        scripts=[f"{_VENDOR}/redoc/redoc.standalone.js", "/static/redoc.js"],
    )


@router.get("/favicon.ico")
async def favicon(request: Request) -> Response:
    """Browsers ask for it by themselves."""
    return RedirectResponse(f"{visit_of(request).root}/static/favicon.svg", status_code=301)


def mount_static(api: FastAPI) -> None:
    """The files that the pages load."""
    with as_file(files("gateway") / "static") as folder:
        api.mount("/static", StaticFiles(directory=Path(folder)))
