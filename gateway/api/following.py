"""GET /applications/stream and GET /applications/export: what comes, as it comes, and all that there is."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import AbstractContextManager, ExitStack
from typing import Annotated, Any
from urllib.parse import urlencode
from uuid import UUID

from fastapi import APIRouter, Query, Request, Response

from contracts import first_id
from gateway.admission.visit import Header, Visit
from gateway.api.front import front_of, visit_of
from gateway.api.openapi_parts import STREAM_REQUEST, answers, exported, streamed
from gateway.api.routes import refuse_repeated
from gateway.follow import flows
from gateway.follow.question import LAST_EVENT_ID, Export, Following, last_seen
from gateway.intake.body import NDJSON
from gateway.problems.errors import DatabaseAwayError
from gateway.read import forms

router = APIRouter(tags=["applications"])

EVENTS = "text/event-stream"
_END = {"type": "http.response.body", "body": b""}
_PROBLEMS = ("query-too-long", "invalid", "database-unavailable", "streams-full", "draining")
# A proxy that keeps answers until they are whole would keep a stream for ever.
_AS_IT_COMES: list[Header] = [(b"cache-control", b"no-store"), (b"x-accel-buffering", b"no")]


@router.get(
    "/applications/stream",
    operation_id="streamApplications",
    summary="Follow applications as they come",
    openapi_extra=STREAM_REQUEST,
    responses=streamed() | answers(*_PROBLEMS),
)
async def stream_applications(request: Request, question: Annotated[Following, Query()]) -> Response:
    """Server-sent events, each with one application and its id, in the order of the ids: none is skipped, none comes
    twice. It begins with what comes from now on, or with `after`, `created_from` or the header `Last-Event-ID`, which a
    browser sends by itself when it comes back. What is younger than the oldest commit that is under way at any gateway
    waits for it. Without news there is a heartbeat every 15 seconds.
    """
    refuse_repeated(request)
    visit, followers = visit_of(request), front_of(request).running.followers
    names = question.names(visit.owner)
    begins = last_seen(visit.headers.get(LAST_EVENT_ID)) or question.begins()
    with ExitStack() as kept:
        kept.enter_context(followers.place())
        if begins is None:
            begins = await _now(request)
        else:
            await followers.read({}, begins, few=True)  # a database that is away is told while it can be
        flow = flows.events(followers, names, begins, _leave(request))
        return Flow(visit, [(b"content-type", EVENTS.encode()), *_AS_IT_COMES], flow, kept.pop_all(), endless=True)


@router.get(
    "/applications/export",
    operation_id="exportApplications",
    summary="Export applications",
    responses=exported() | answers(*_PROBLEMS),
)
async def export_applications(request: Request, question: Annotated[Export, Query()]) -> Response:
    """One application on each line, oldest first, up to now: what is younger than the oldest commit that is under way
    is for the next export, which `Link` names. Whoever is cut off goes on with `after` and the id of the last whole
    line. An answer that does not end as HTTP says (its last chunk is missing) is not the whole.
    """
    refuse_repeated(request)
    question.check()
    visit, followers = visit_of(request), front_of(request).running.followers
    names = question.names(visit.owner)
    with ExitStack() as kept:
        kept.enter_context(followers.place())
        until = await _now(request)
        if question.created_to is not None:
            until = min(until, first_id(question.created_to))
        headers = [(b"content-type", NDJSON.encode()), *_AS_IT_COMES, (b"link", _next(question, until, visit.root))]
        flow = flows.lines(followers, names, question.begins(), until, _leave(request))
        headers.append(forms.VARIES)
        if forms.accepts(visit.headers.get(b"accept-encoding")):
            flow = forms.packed_pieces(flow)
            headers.append(forms.PACKED)
        return Flow(visit, headers, flow, kept.pop_all(), endless=False)


def _leave(request: Request) -> flows.Leave:
    return flows.Leave(lambda: front_of(request).gate.still_admits(visit_of(request)))


async def _now(request: Request) -> UUID:
    """Where the next application will be; DatabaseAwayError where no gateway can tell."""
    followers = front_of(request).running.followers
    for _ in range(3):
        piece = await followers.read({}, UUID(int=2**128 - 1), few=True)
        if piece.until is not None:
            return piece.until
        await followers.change(1.0)
    raise DatabaseAwayError("a gateway does not tell what it still commits: it starts, or is of an older version")


def _next(question: Export, until: UUID, root: str) -> bytes:
    asked = question.model_dump(mode="json", exclude_none=True, include={"user_name", "created_to"})
    return f'<{root}/applications/export?{urlencode({**asked, "after": str(until)})}>; rel="next"'.encode()


class Flow(Response):
    """An answer whose body comes piece by piece; ``place`` is left when it ends, whoever ends it.

    A client that sends nothing more has gone if the answer is ``endless``, else it may still wait for the end.
    """

    def __init__(
        self,
        visit: Visit,
        headers: list[Header],
        pieces: AsyncIterator[bytes],
        place: AbstractContextManager[Any],
        *,
        endless: bool,
    ) -> None:
        super().__init__()
        self._endless = endless
        self.raw_headers = headers
        self._visit, self._pieces, self._place = visit, pieces, place

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:  # noqa: ARG002 -- ASGI
        """Sends until the pieces end or the client has gone. What is measured is the time to the first byte."""
        with self._place:
            await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
            began = time.perf_counter()
            if self._visit.head_only:
                await send(_END)
            else:
                await self._until_left(send, receive)
            self._visit.began += time.perf_counter() - began

    async def _until_left(self, send: Any, receive: Any) -> None:
        """Send until that has ended, or the client has gone."""
        tasks = [asyncio.ensure_future(way) for way in (self._send(send), _left(receive))]
        if self._endless:
            self._visit.left = tasks[1].cancel
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
            outcomes = await asyncio.gather(*tasks, return_exceptions=True)
        for outcome in outcomes:
            if isinstance(outcome, Exception):
                raise outcome
        if tasks[0].cancelled():
            await send(_END)  # nobody reads it, and uvicorn knows that this is no fault

    async def _send(self, send: Any) -> None:
        try:
            async for piece in self._pieces:
                await send({"type": "http.response.body", "body": piece, "more_body": True})
        except flows.CutError:
            return
        await send(_END)


async def _left(receive: Any) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
