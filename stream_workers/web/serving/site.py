"""The answers to requests: a page, its JSON, its live updates."""

import logging
import shlex
from collections.abc import Mapping
from functools import cache
from typing import Any
from zoneinfo import available_timezones

import orjson
from aiohttp.web import HTTPNotFound, HTTPServiceUnavailable, Request, Response, StreamResponse

from runtime import release
from stream_workers.web.facts.facts import Facts, NoSuchPageError
from stream_workers.web.facts.names import NAMES, PERSONAL, in_full
from stream_workers.web.facts.search import destination
from stream_workers.web.look.board import Look
from stream_workers.web.serving.access import Access
from stream_workers.web.serving.assets import asset
from stream_workers.web.serving.events import OPEN_STREAMS_MAX, Streams
from stream_workers.web.serving.protection import for_people
from stream_workers.web.showing import render
from stream_workers.web.showing.export import FORMS
from stream_workers.web.showing.preferences import LANGUAGES, THEMES, Reader, reader_of
from stream_workers.web.trends.csv_table import csv_text

log = logging.getLogger(__name__)

NAVIGATION = (
    "overview",
    "history",
    "partitions",
    "groups",
    "tables",
    "agents",
    "live",
    "dead-letters",
    "events",
    "trace",
    "health",
)
# The pages that these belong to, for the navigation.
_UNDER = {"entry": "tables", "letter": "dead-letters"}
# Renderings kept for other browsers that look at the same page in the same second.
_RENDERED_MAX = 64


class Site:
    """Answers for one worker; ``paths`` are the addresses of the pages by name, ``root`` stands before all of them."""

    def __init__(self, facts: Facts, access: Access, paths: Mapping[str, str], root: str = "") -> None:
        self.root = root
        self.facts = facts
        self.access = access
        self.streams = Streams(self._pace)
        self.open_streams = Streams(self._pace, OPEN_STREAMS_MAX)
        self._paths = paths
        self._rendered: dict[tuple[object, ...], dict[str, str]] = {}
        self._rendered_at: float = 0.0

    async def page(self, name: str, request: Request) -> Response:
        """The page as HTML, complete without a script."""
        look = await self.facts.board.look()
        reader = reader_of(request)
        data = await self._data(name, look, request, reader)
        self.log_names(request, name)
        return html(render.page(name, reader, self._frame(request, name, look) | {"data": data}), reader=reader)

    async def json(self, name: str, request: Request) -> Response:
        """The same facts as JSON."""
        look = await self.facts.board.look()
        self.log_names(request, name)
        return json_response(await self._data(name, look, request, reader_of(request)))

    async def export(self, form: str, request: Request) -> Response:
        """What the live tail shows, as a file."""
        media_type, written = FORMS[form]
        rows = await self.facts.exported(self.asked(request))
        self.log_names(request, "live")
        headers = {"Content-Disposition": f'attachment; filename="applications.{form}"'}
        return Response(body=written(rows), content_type=media_type, charset="utf-8", headers=headers)

    async def search(self, request: Request) -> Response:
        """Go to the page that has what was typed into the box."""
        path = await destination(request.query.get("q", ""), self.facts.traces)
        return Response(status=303, headers={"Location": path})

    def asked(self, request: Request) -> dict[str, str]:
        """What an address asks for; names in full only where whoever asks has the right to them."""
        query = {**request.query, **request.match_info}
        if not self.access.may_see_names(request):
            query.pop(NAMES, None)
        return query

    def log_names(self, request: Request, name: str) -> None:
        """Each look at names in full is in the log: when, at which page, from where, and by what it was allowed."""
        if in_full(self.asked(request)):
            seen = {"page": name, "path": request.path, "reader": request.remote, "by": self.access.known_by(request)}
            log.info("names were shown in full", extra=seen)

    async def history_csv(self, request: Request) -> Response:
        """The history as a table for other programs."""
        facts = await self._data("history", await self.facts.board.look(), request, reader_of(request))
        name = f'attachment; filename="headgate-{facts["range"]}.csv"'
        return Response(text=csv_text(facts), content_type="text/csv", headers={"Content-Disposition": name})

    async def events(self, name: str, request: Request) -> StreamResponse:
        """The page's regions as they change."""
        reader = reader_of(request)
        await self._data(name, await self.facts.board.look(), request, reader)
        self.log_names(request, name)
        streams = self.streams if self.access.may_look(request) else self.open_streams
        if streams.full:
            raise HTTPServiceUnavailable

        async def regions() -> Mapping[str, str]:
            look = await self.facts.board.look()
            return await self._regions(look, request, name)

        return await streams.serve(request, regions)

    def message(self, request: Request, name: str, *, status: int = 200, **values: Any) -> Response:
        """A page without facts: login, preferences, an error."""
        reader = reader_of(request)
        frame = self._frame(request, name, None) | {"data": None} | values
        return html(render.page(name, reader, frame), reader=reader, status=status)

    def error(self, request: Request, status: int) -> Response:
        """An error as a page for people, as JSON for programs."""
        if for_people(request):
            return self.message(request, "error", status=status, code=status)
        return json_response({"status": status, "see": "/health"}, status=status)

    def _pace(self) -> float:
        return self.facts.board.pace.seconds

    async def _regions(self, look: Look, request: Request, name: str) -> dict[str, str]:
        reader = reader_of(request)
        key = (request.path_qs, reader.language, reader.zone, in_full(self.asked(request)))
        if look.at != self._rendered_at or len(self._rendered) > _RENDERED_MAX:
            self._rendered.clear()
            self._rendered_at = look.at
        if key not in self._rendered:
            data = await self._data(name, look, request, reader)
            with self.facts.board.pace.showing():
                frame = self._frame(request, name, look) | {"data": data}
                self._rendered[key] = render.regions(name, reader, frame)
        return self._rendered[key]

    async def _data(self, name: str, look: Look, request: Request, reader: Reader) -> dict[str, Any]:
        try:
            return await self.facts.of(name, look, self.asked(request), reader)
        except NoSuchPageError:
            raise HTTPNotFound from None

    def _frame(self, request: Request, name: str, look: Look | None) -> dict[str, Any]:
        """What is round every page."""
        live = request.path.startswith("/events/")  # "/events" is a page
        address = request.path_qs.removeprefix("/events") if live else request.path_qs
        # What a form was sent to is no page to come back to.
        path = "/" if address.startswith("/overview") or request.method == "POST" else address
        return {
            "name": name,
            "root": self.root,
            "look": look,
            "findings": self.facts.findings(look) if look else [],
            "navigation": [(page, self._paths[page]) for page in NAVIGATION],
            "current": _UNDER.get(name, name),
            "path": path,
            "events": below("/events", path),
            "api": below("/api", path),
            "curl": self._curl(request, below("/api", path)),
            "personal": name in PERSONAL,
            "may_see_names": self.access.may_see_names(request),
            "with_names": str(request.rel_url.update_query({NAMES: "full"})),
            "without_names": str(request.rel_url.without_query_params(NAMES)),
            "may_look": self.access.may_look(request),
            "token_needed": self.access.needed,
            "signed_in": self.access.needed and self.access.may_look(request),
            "gateway": gateway_url(look),
            "languages": LANGUAGES,
            "themes": THEMES,
            "version": release.version(),
            "asset": asset,
        }

    def _curl(self, request: Request, path: str) -> str:
        token = ' -H "Authorization: Bearer $WORKER_WEB_TOKEN"' if self.access.needed else ""
        return f"curl -s{token} {shlex.quote(f'{request.scheme}://{request.host}{self.root}{path}')}"


def below(prefix: str, path: str) -> str:
    """The twin of a page's address; the overview's has its name."""
    bare, mark, query = path.partition("?")
    return f"{prefix}{'/overview' if bare == '/' else bare}{mark}{query}"


def gateway_url(look: Look | None) -> str:
    """A gateway that tells its address, else where one is by default."""
    intake = look.intake.value if look and look.intake else None
    told = [gateway.url for gateway in intake.gateways if gateway.url] if intake else []
    return told[0] if told else "http://127.0.0.1:8000"


@cache
def zones() -> tuple[str, ...]:
    """All time zones, for the preferences."""
    return tuple(sorted(available_timezones()))


def html(text: str, *, reader: Reader, status: int = 200) -> Response:
    headers = {"Content-Language": reader.language, "Vary": "Accept-Language, Cookie"}
    return Response(text=text, content_type="text/html", status=status, headers=headers)


def json_response(value: Any, *, status: int = 200) -> Response:
    body = orjson.dumps(value, option=orjson.OPT_NON_STR_KEYS)
    return Response(body=body, content_type="application/json", status=status)
