"""What FastAPI and Starlette raise, as the problems that everything else is answered with."""

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.routing import Match, Mount

from gateway.admission.visit import Header, Visit
from gateway.intake.body import DisconnectedError
from gateway.problems import document, violations
from gateway.problems.errors import (
    BodyTooLargeError,
    GatewayError,
    MethodError,
    NotFoundError,
    RequestError,
    ValidationError,
)


def install(api: FastAPI) -> None:
    """Every error that leaves a route or the router is answered with a problem document."""
    api.add_exception_handler(GatewayError, _answer)
    api.add_exception_handler(HTTPException, _answer_http)
    api.add_exception_handler(RequestValidationError, _answer_validation)
    api.add_exception_handler(DisconnectedError, _answer_nobody)  # type: ignore[arg-type]  # None: nothing is sent
    api.add_exception_handler(Exception, _answer_unforeseen)


def response(status: int, headers: list[Header], body: bytes) -> Response:
    """A Starlette response of exactly these parts."""
    made = Response(status_code=status)
    made.body = body
    made.raw_headers = headers
    return made


async def _answer(request: Request, error: Exception) -> Response:
    visit: Visit = request.state.visit
    known = error if isinstance(error, GatewayError) else GatewayError(str(error))
    told = document.answer(known, language=visit.language, request_id=visit.request_id, public=visit.public)
    return response(*told)


async def _answer_http(request: Request, error: Exception) -> Response:
    status = getattr(error, "status_code", 500)
    found: GatewayError
    if status == 404:
        found = NotFoundError()
    elif status == 405:
        found = MethodError(allow=", ".join(_methods_of(request)))
    elif status == 413:
        found = BodyTooLargeError(limit=0)
    else:
        found = RequestError(str(error)) if status < 500 else GatewayError(str(error))
    return await _answer(request, found)


def _methods_of(request: Request) -> list[str]:
    """All methods of the address: Starlette names those of the first route that it comes to.

    What is mounted takes any method, and answers to GET alone: files.
    """

    def answers(method: str) -> bool:
        # Inside of what is mounted, the address is that of the part.
        scope = {**request.scope, "method": method, "root_path": request.scope.get("app_root_path", "")}
        return any(
            route.matches(scope)[0] is Match.FULL and (method == "GET" or not isinstance(route, Mount))
            for route in request.app.router.routes
        )

    found = [method for method in ("GET", "POST") if answers(method)]
    return ["GET", "HEAD", *found[1:]] if "GET" in found else found


async def _answer_validation(request: Request, error: Exception) -> Response:
    errors = error.errors() if isinstance(error, RequestValidationError) else []
    return await _answer(request, ValidationError(violations.of_parameters(errors)))


async def _answer_nobody(request: Request, error: Exception) -> None:
    """The client has left: no fault of ours, and nobody reads an answer."""


async def _answer_unforeseen(request: Request, error: Exception) -> Response:
    """Starlette raises the error again after this answer, so that the outermost layer logs it."""
    return await _answer(request, GatewayError(str(error)))
