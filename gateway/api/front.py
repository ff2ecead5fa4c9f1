"""The outermost layer: what all calls share, done once, and the hot calls themselves: POST /applications and reads.

FastAPI's machinery is more than half of the cost of a small call, so those are answered here; they are declared
in FastAPI too, where the same functions answer them (a test compares the two byte for byte). Everything else goes
through, with the same request id, limits and header fields around it.
"""

import logging
from collections.abc import Awaitable, Callable, MutableMapping, Sequence
from typing import Any

from fastapi import FastAPI, Request

from gateway.admission import cors, framing, request_id
from gateway.admission.connections.crowd import Crowd
from gateway.admission.connections.joined_writes import answer_whole
from gateway.admission.gate import FORMS, PROBES, Gate
from gateway.admission.visit import CLOSE, Header, Visit
from gateway.api import reading
from gateway.deprecation import DEPRECATED
from gateway.intake.bodies import Bodies
from gateway.intake.body import DisconnectedError
from gateway.intake.single import Answer, submit_one
from gateway.observability.metrics import route_of
from gateway.observability.siblings import Siblings
from gateway.problems import document
from gateway.problems.errors import GatewayError, OverloadedError, QueryTooLongError
from gateway.proxies import root_path
from gateway.proxies.forwarded import Proxies
from gateway.proxies.visitors import Trusted
from gateway.service import Gateway
from gateway.settings import Settings
from gateway.tls import Certificate

log = logging.getLogger(__name__)

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

# The calls of this first number by a name that says so; the next number would have its own (docs/stability.md).
_VERSION = "/v1/"
_NOSNIFF: Header = (b"x-content-type-options", b"nosniff")
# A HEAD is a GET whose body the server leaves out (RFC 9110, 9.3.2).
_READS = frozenset({"GET", "HEAD"})
# What changes with a release alone may be kept for a while; everything else that says nothing of it may not.
_STEADY = ("/static/", "/openapi.json", "/asyncapi.json", "/favicon.ico")
_FOR_A_WHILE: Header = (b"cache-control", b"public, max-age=300")
_NEVER: Header = (b"cache-control", b"no-store")
# Two names of 255 characters fit, were each percent-encoded in twelve.
_QUERY_MAX_BYTES = 8 * 1024
_PARAMETERS_MAX = 50


class Front:
    """An ASGI application around ``api``. ``fast`` False sends the hot calls through FastAPI as well."""

    def __init__(self, api: FastAPI, settings: Settings, gate: Gate, *, fast: bool = True) -> None:
        self.settings = settings
        self.gate = gate
        self.gateway: Gateway | None = None
        self.siblings = Siblings()
        self.certificate: Certificate | None = None
        self.active = 0
        self.bodies = Bodies(settings.bodies_max_bytes)
        self.crowd = Crowd(settings.answers_max_bytes)
        self.api = api
        self._cors = cors.Cors(settings.cors_origins)
        self._names = framing.Names(settings)
        self.trusted = Trusted(settings.trusted_proxies)
        self._proxies = Proxies(self.trusted, settings.forwarded_headers) if settings.trusted_proxies else None
        self._root = settings.root_path
        self._public = (settings.public_url or "") + settings.root_path
        self._new_id = request_id.generator()
        self._fast = fast

    @property
    def running(self) -> Gateway:
        """The gateway between start-up and shutdown, when requests come."""
        assert self.gateway is not None  # noqa: S101 -- requests come after start-up
        return self.gateway

    @property
    def failed(self) -> bool:
        """True where a task that must never end has ended."""
        return self.gateway is not None and self.gateway.failed is not None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.api(scope, receive, send)
            return
        if self._root:
            scope = root_path.taken_off(self._root, scope)
        visit = self._visit(scope)
        answer: Answer | None
        self.active += 1
        try:
            answer = await self._answer(visit, scope, receive, send)
        except GatewayError as error:
            answer = _problem(error, visit)
        except DisconnectedError:
            answer = None
        except Exception:
            log.exception("A request failed", extra={"request_id": visit.request_id})
            answer = None if visit.status else _problem(GatewayError(), visit)
        finally:
            self.active -= 1
        if answer is not None:
            await self._give(answer, visit, send)
        self.running.telemetry.answered(visit, scope["method"], scope["path"])

    async def _give(self, answer: Answer, visit: Visit, send: Send) -> None:
        visit.status, headers, body = answer
        headers = headers + self._ours(visit)
        if not answer_whole(send, visit.status, headers, body):
            await send({"type": "http.response.start", "status": visit.status, "headers": headers})
            await send({"type": "http.response.body", "body": body})

    def refuse(self, error: GatewayError, headers: Sequence[Header]) -> Answer:
        """The answer to what does not get as far as this application, by as much of its head as could be read."""
        visit = self._named(headers)
        if b"origin" in visit.headers:
            self._cors.enter(visit, "")
        status, fields, body = _problem(error, visit)
        return status, fields + visit.answer_headers, body

    def _named(self, raw: Sequence[Header]) -> Visit:
        headers = dict(raw)
        name = request_id.accepted(headers.get(b"x-request-id")) or self._new_id()
        ours = [_NOSNIFF, *self._cors.always, (b"x-request-id", name.encode())]
        return Visit(name, headers, raw, answer_headers=ours, public=self._public, root=self._root)

    def _visit(self, scope: Scope) -> Visit:
        if scope["path"].startswith(_VERSION):
            scope["path"] = scope["path"][len(_VERSION) - 1 :]
        visit = self._named(scope["headers"])
        if DEPRECATED:
            visit.answer_headers += _announced(scope)
        request_id.current.set(visit.request_id)
        if self._proxies is not None:
            visit.called = self._proxies.believe(scope)
        tracing = self.running.telemetry.tracing
        if tracing is not None:
            visit.span = tracing.serve(scope["method"], scope["path"], visit.headers)
        return visit

    def _ours(self, visit: Visit) -> list[Header]:
        """Judged when the answer is given: a request that came before the stop may be answered in it.

        While the process stops, clients are to open their next connection to another one.
        """
        return [*visit.answer_headers, CLOSE] if self.running.draining else visit.answer_headers

    async def _answer(self, visit: Visit, scope: Scope, receive: Receive, send: Send) -> Answer | None:
        """The answer, or None where FastAPI has given it."""
        headers = visit.headers
        if b"host" not in headers or b"transfer-encoding" in headers or len(headers) < len(visit.raw_headers):
            framing.check(visit, scope["http_version"])
        if b"origin" in headers and self._cors.enter(visit, scope["method"]):
            return self._cors.preflight()
        try:
            self._check(visit, scope)
            await self.gate.admit(visit, scope)
        except GatewayError as error:
            _refuse(error, visit, scope)
        if self._fast and scope["method"] == "POST" and scope["path"] == "/applications":
            writer = self.running.writer
            return await submit_one(visit, receive, writer=writer, bodies=self.bodies, settings=self.settings)
        if self._fast and scope["method"] in _READS:
            answer = await reading.answer(visit, scope, gateway=self.running)
            if answer is not None:
                return answer
        await self._pass_on(visit, scope, receive, send)
        return None

    def _check(self, visit: Visit, scope: Scope) -> None:
        if scope["path"] in PROBES:
            return
        self._names.check(visit.headers)
        if self.active > self.settings.requests_max:
            raise OverloadedError("as many requests as are allowed are being answered")

    async def _pass_on(self, visit: Visit, scope: Scope, receive: Receive, send: Send) -> None:
        _refuse_long_query(scope["query_string"])

        async def send_with_ours(message: Message) -> None:
            if message["type"] == "http.response.start":
                visit.status = message["status"]
                message["headers"] = [*message["headers"], *_kept(scope, message), *self._ours(visit)]
            await send(message)

        scope.setdefault("state", {})["visit"] = visit
        visit.head_only = scope["method"] == "HEAD"
        inner = root_path.put_back(self._root, scope) if self._root else scope
        if visit.head_only:
            inner = {**inner, "method": "GET"}
        await self.api(inner, receive, send_with_ours)


def _refuse(error: GatewayError, visit: Visit, scope: Scope) -> None:
    """Raises why a request does not pass; the form is told, and answers with a page that keeps what was typed."""
    if scope["path"] not in FORMS or scope["method"] not in {*_READS, "POST"}:
        raise error
    visit.refusal = error


def _announced(scope: Scope) -> Sequence[Header]:
    """What says that this call will go."""
    found = DEPRECATED.get((scope["method"], route_of(scope["path"])))
    return found.fields() if found else ()


def _refuse_long_query(query: bytes) -> None:
    """More than any call takes is not taken apart at all."""
    if len(query) > _QUERY_MAX_BYTES or query.count(b"&") >= _PARAMETERS_MAX:
        raise QueryTooLongError(limit=_QUERY_MAX_BYTES, parameters=_PARAMETERS_MAX)


def _kept(scope: Scope, message: Message) -> Sequence[Header]:
    """For how long what is read may be kept, where the answer does not say."""
    if scope["method"] not in _READS or any(name == b"cache-control" for name, _ in message["headers"]):
        return ()
    return (_FOR_A_WHILE if scope["path"].startswith(_STEADY) and message["status"] < 400 else _NEVER,)


def _problem(error: GatewayError, visit: Visit) -> Answer:
    return document.answer(error, language=visit.language, request_id=visit.request_id, public=visit.public)


def front_of(request: Request) -> Front:
    """The front that a request came through."""
    front: Front = request.app.state.front
    return front


def visit_of(request: Request) -> Visit:
    """The visit that a request belongs to."""
    visit: Visit = request.state.visit
    return visit
