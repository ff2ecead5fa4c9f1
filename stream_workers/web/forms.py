"""The forms: logging in and out, preferences, and sending dead letters again."""

import asyncio
import logging
from collections.abc import Sequence

from aiohttp.web import FileField, HTTPForbidden, HTTPNotFound, Request, Response
from multidict import MultiDictProxy

from contracts import Topics
from stream_workers.dead_letters import Origin
from stream_workers.redrive import Letter, redrive
from stream_workers.web.access import same_origin
from stream_workers.web.facts import whole_number
from stream_workers.web.preferences import remember
from stream_workers.web.site import Site, zones

log = logging.getLogger(__name__)

# A wrong token is answered late, and one after the other.
WRONG_TOKEN_SECONDS = 0.5


class Forms:
    """One at a time, so that guessing tokens is slow and no two redrives meet."""

    def __init__(self, site: Site, *, bootstrap: str, topics: Topics) -> None:
        self._site = site
        self._bootstrap = bootstrap
        self._topics = topics
        self._guessing = asyncio.Lock()
        self._redriving = asyncio.Lock()

    async def show_login(self, request: Request) -> Response:
        return self._site.message(request, "login", next=local(request.query.get("next")), wrong=False)

    async def login(self, request: Request) -> Response:
        """Give a session for the right token."""
        form = await request.post()
        onward = local(_text(form, "next"))
        if not same_origin(request):
            raise HTTPForbidden
        if not self._site.access.accepts(_text(form, "token").strip()):
            async with self._guessing:
                await asyncio.sleep(WRONG_TOKEN_SECONDS)
            return self._site.message(request, "login", status=401, next=onward, wrong=True)
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
        form = await request.post()
        response = see_other(local(_text(form, "next")))
        remember(
            response,
            lang=_text(form, "lang"),
            tz=_text(form, "tz"),
            theme=_text(form, "theme"),
        )
        return response

    async def redrive(self, request: Request) -> Response:
        """Send one dead letter again, or all that can be read now; only for who is logged in, from our own page."""
        if not self._site.access.may_change(request):
            raise HTTPForbidden
        form = await request.post()
        partition, offset = whole_number(_text(form, "partition")), whole_number(_text(form, "offset"))
        async with self._redriving:
            wanted = await self._wanted(partition, offset)
            sent = 0
            async for sent in redrive(self._bootstrap, self._topics, wanted):
                log.info("redriven from the web view", extra={"letters": sent})
        one = partition is not None and offset is not None
        where = f"/dead-letters/{partition}/{offset}" if one else "/dead-letters"
        return see_other(f"{where}?sent={sent}")

    async def _wanted(self, partition: int | None, offset: int | None) -> Sequence[Letter]:
        letters = self._site.facts.letters
        if partition is None or offset is None:
            return [letter for letter in await letters.all() if letter.state != "redriven" and not letter.unreadable]
        one = await letters.one(Origin(self._topics.applications, partition, offset))
        if one is None:
            raise HTTPNotFound
        return [] if one.state == "redriven" or one.unreadable else [one]


def see_other(path: str) -> Response:
    return Response(status=303, headers={"Location": path})


def local(path: str | None) -> str:
    """A path on this site; anything else is the overview."""
    if not path or not path.startswith("/") or path.startswith(("//", "/\\")) or not path.isprintable():
        return "/"
    return path


def _text(form: "MultiDictProxy[str | bytes | bytearray | FileField]", name: str) -> str:
    value = form.get(name, "")
    return value if isinstance(value, str) else ""
