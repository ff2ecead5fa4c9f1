"""The forms: logging in and out, preferences, and sending dead letters again."""

import logging
from collections.abc import Mapping
from functools import partial
from urllib.parse import quote, urlencode

from aiohttp.http import HttpProcessingError
from aiohttp.web import (
    FileField,
    HTTPBadGateway,
    HTTPBadRequest,
    HTTPForbidden,
    Request,
    RequestPayloadError,
    Response,
)
from aiokafka.errors import KafkaError
from multidict import MultiDictProxy

from contracts import Topics
from runtime.kafka.clients import Kafka
from stream_workers.errors import WorkerError
from stream_workers.letters.dead_letters import Origin
from stream_workers.letters.redrive import redrive
from stream_workers.web.facts.facts import whole_number
from stream_workers.web.look.apart import Apart
from stream_workers.web.serving.access import same_origin
from stream_workers.web.serving.protection import too_many
from stream_workers.web.serving.site import Site, zones
from stream_workers.web.showing.preferences import remember

log = logging.getLogger(__name__)

Fields = MultiDictProxy[str | bytes | bytearray | FileField]


class Forms:
    """Redrives one at a time, so that no two of them meet. One may take a minute, in which pages are read."""

    def __init__(self, site: Site, *, kafka: Kafka, topics: Topics) -> None:
        self._site = site
        self._kafka = kafka
        self._topics = topics
        self._apart = Apart()

    async def show_login(self, request: Request) -> Response:
        return self._site.message(request, "login", next=local(request.query.get("next")), wrong=False)

    async def login(self, request: Request) -> Response:
        """Give a session for the right token."""
        form = await _fields(request)
        onward = local(_text(form, "next"))
        if not same_origin(request):
            raise HTTPForbidden
        if self._site.access.too_many(request):
            return too_many(self._site.error(request, 429))
        if not self._site.access.accepts(request, _text(form, "token").strip()):
            path = f"/login?next={quote(onward, safe='/')}"
            return self._site.message(request, "login", status=401, path=path, next=onward, wrong=True)
        response = see_other(onward)
        self._site.access.sign_in(response, secure=request.secure)
        return response

    async def logout(self, request: Request) -> Response:
        if not same_origin(request):
            raise HTTPForbidden
        response = see_other("/")
        self._site.access.sign_out(response)
        return response

    async def show_preferences(self, request: Request) -> Response:
        return self._site.message(request, "preferences", next=local(request.query.get("next")), zones=zones())

    async def set_preferences(self, request: Request) -> Response:
        """Remember language, time zone and theme in cookies."""
        form = await _fields(request)
        response = see_other(local(_text(form, "next")))
        remember(
            response,
            lang=_text(form, "lang"),
            tz=_text(form, "tz"),
            theme=_text(form, "theme"),
        )
        return response

    async def redrive(self, request: Request) -> Response:
        """Send one dead letter again, or what can be sent of one page of the list; needs a login."""
        if not self._site.access.may_change(request):
            raise HTTPForbidden
        form = await _fields(request)
        asked = {name: _text(form, name) for name in ("before", "reason", "state")}
        partition, offset = whole_number(_text(form, "partition")), whole_number(_text(form, "offset"))
        one = None if partition is None or offset is None else Origin(self._topics.applications, partition, offset)
        try:
            sent = await self._apart(partial(self._redriven, one, asked))
        except (KafkaError, WorkerError, OSError) as error:
            log.warning("a redrive from the web view failed: %r", error)
            raise HTTPBadGateway from error
        finally:
            self._site.facts.letters.forget()
        query = {name: text for name, text in asked.items() if text} | {"sent": str(sent)}
        where = f"/dead-letters/{one.partition}/{one.offset}" if one else "/dead-letters"
        return see_other(f"{where}?{urlencode(query)}")

    async def _redriven(self, one: Origin | None, asked: Mapping[str, str]) -> int:
        """How many letters are sent by now, of those that can be: the one, or what was asked for."""
        letters = await self._site.facts.letters.sendable(one, **asked)
        sent = 0
        async for sent in redrive(self._kafka, self._topics, letters):
            log.info("redriven from the web view", extra={"letters": sent})
        return sent


def see_other(path: str) -> Response:
    return Response(status=303, headers={"Location": path})


def local(path: str | None) -> str:
    """A path on this site; anything else is the overview."""
    if not path or not path.startswith("/") or path.startswith(("//", "/\\")) or not path.isprintable():
        return "/"
    return path


async def _fields(request: Request) -> Fields:
    """What a form sent; what is no form is the sender's fault."""
    try:
        return await request.post()
    except (ValueError, LookupError, RuntimeError, AssertionError, HttpProcessingError, RequestPayloadError) as error:
        raise HTTPBadRequest from error


def _text(form: Fields, name: str) -> str:
    value = form.get(name, "")
    return value if isinstance(value, str) else ""
