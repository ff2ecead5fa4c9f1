"""The facts of each page: what its template shows, and what its JSON twin answers."""

import asyncio
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from contracts import Topics
from stream_workers.consumers.watched import Consumers
from stream_workers.exact.partitions import Partitions
from stream_workers.letters.dead_letters import Origin
from stream_workers.web.facts.agents_page import agents
from stream_workers.web.facts.diagnosis import Finding, findings, level_of
from stream_workers.web.facts.health_page import health
from stream_workers.web.facts.letters_page import Letters, dead_letters
from stream_workers.web.facts.live_page import Asked, exported, live
from stream_workers.web.facts.names import in_full, shown_letter, shown_name
from stream_workers.web.facts.overview import overview
from stream_workers.web.facts.partitions_page import SORTS, partitions
from stream_workers.web.facts.tables_page import entry, tables
from stream_workers.web.facts.trace_page import Traces, parsed, trace
from stream_workers.web.look.board import Board, Look
from stream_workers.web.look.polled import Polled
from stream_workers.web.look.read_model import ReadModel
from stream_workers.web.showing.preferences import Reader
from stream_workers.web.trends.happenings import WORRIES, happenings, marks
from stream_workers.web.trends.history import History
from stream_workers.web.trends.reading import looked_at, reading

Query = Mapping[str, str]


class NoSuchPageError(Exception):
    """There is nothing under this address."""


@dataclass(frozen=True)
class Facts:
    """Puts together what the pages need; every method returns plain data."""

    topics: Topics
    board: Board
    traces: Traces
    letters: Letters
    read_model: ReadModel
    history: History
    consumers: Polled[Consumers]
    worker: Partitions[Any]
    owner: str
    missing: Callable[[], str | None]
    started_at: float

    def findings(self, look: Look) -> list[Finding]:
        return findings(look, self.topics)

    async def of(self, page: str, look: Look, query: Query, reader: Reader) -> dict[str, Any]:
        """The facts of a page, under the names that its template uses; NoSuchPageError if there is none."""
        found = self.findings(look)
        head = {
            "page": page,
            "names": in_full(query),
            "as_of": look.counters.as_of,
            "now": look.at,
            "status": level_of(found),
            "findings": [{"code": finding.code, "level": finding.level, **finding.values} for finding in found],
        }
        facts: dict[str, Any] = await getattr(self, f"_{page.replace('-', '_')}")(look, query, reader)
        return head | facts

    async def _overview(self, look: Look, query: Query, reader: Reader) -> dict[str, Any]:
        return overview(look, zone=reader.tzinfo, topics=self.topics, names=in_full(query))

    async def _history(self, look: Look, query: Query, _reader: Reader) -> dict[str, Any]:
        facts = self.history.facts(look, query.get("range", ""))
        return facts | {"events": marks(look, facts["seconds"])}

    async def _groups(self, _look: Look, query: Query, _reader: Reader) -> dict[str, Any]:
        return reading(await looked_at(self.consumers), self.topics, group=query.get("group", ""))

    async def _events(self, look: Look, query: Query, _reader: Reader) -> dict[str, Any]:
        return happenings(look, before=seconds(query.get("before", "")), worries=query.get("level") in WORRIES)

    async def _partitions(self, look: Look, query: Query, _reader: Reader) -> dict[str, Any]:
        sort = query.get("sort", "")
        return partitions(look, sort=sort if sort in SORTS else SORTS[0], topics=self.topics)

    async def _tables(self, look: Look, query: Query, _reader: Reader) -> dict[str, Any]:
        return tables(look, topics=self.topics, query=query.get("q", "").strip(), names=in_full(query))

    async def _entry(self, look: Look, query: Query, _reader: Reader) -> dict[str, Any]:
        key = whole_number(query["key"])
        if key is None:
            raise NoSuchPageError
        sought = query.get("q", "").strip()
        found = entry(look, table=query["table"], key=key, query=sought, names=in_full(query))
        if found is None:
            raise NoSuchPageError
        return found

    async def _agents(self, look: Look, _query: Query, _reader: Reader) -> dict[str, Any]:
        return agents(
            look,
            figures=self.worker.figures,
            owner=self.owner,
            started_at=self.started_at,
            handovers=self.read_model.handovers,
            topics=self.topics,
        )

    async def _live(self, look: Look, query: Query, _reader: Reader) -> dict[str, Any]:
        return live(look, asked_of(query))

    async def exported(self, query: Query) -> list[dict[str, Any]]:
        """What the live tail shows, and the rest that it keeps."""
        return exported(await self.board.look(), asked_of(query))

    async def _dead_letters(self, look: Look, query: Query, _reader: Reader) -> dict[str, Any]:
        asked = {name: query.get(name, "") for name in ("before", "reason", "state")}
        page = await self.letters.page(**asked)
        counters = look.counters
        facts = dead_letters(page, asked, reasons=counters.dead_reasons, count=counters.dead)
        facts["letters"] = [shown_letter(letter, names=in_full(query)) for letter in facts["letters"]]
        return facts | {"sent": whole_number(query.get("sent", ""))}

    async def _letter(self, _look: Look, query: Query, _reader: Reader) -> dict[str, Any]:
        partition, offset = whole_number(query["partition"]), whole_number(query["offset"])
        if partition is None or offset is None:
            raise NoSuchPageError
        before = query.get("before", "")
        facts = await self.letters.one(Origin(self.topics.applications, partition, offset), before=before)
        if facts is not None and not facts["found"] and facts["older"] is None and not before:
            raise NoSuchPageError
        unread = {
            "partition": partition,
            "offset": offset,
            "found": False,
            "here": before,
            "older": None,
            "fresh": False,
        }
        return {"known": facts is not None} | shown_letter(facts or unread, names=in_full(query))

    async def _trace(self, look: Look, query: Query, _reader: Reader) -> dict[str, Any]:
        text = query.get("id", "").strip()
        id_ = parsed(text)
        if id_ is None:
            return {"id": text, "understood": not text, "steps": [], "user_name": None}
        database = self.board.database
        found, stored = await asyncio.gather(
            self.traces.find(id_), database.stored(str(id_)) if database else _nothing(), return_exceptions=True
        )
        asked = database is not None and not isinstance(stored, BaseException)
        facts = trace(
            look,
            id_,
            None if isinstance(found, BaseException) else found,
            None if isinstance(stored, BaseException) else stored,
            asked=asked,
        )
        names = in_full(query)
        return facts | {"understood": True, "user_name": shown_name(facts["user_name"], names=names)}

    async def _health(self, look: Look, _query: Query, reader: Reader) -> dict[str, Any]:
        parts = overview(look, zone=reader.tzinfo, topics=self.topics)
        return health(look, self.findings(look), parts, missing=self.missing())


def asked_of(query: Query) -> Asked:
    """What an address of the live tail asks for."""
    return Asked(
        user=query.get("user", "").strip(),
        text=query.get("text", "").strip(),
        partition=whole_number(query.get("partition", "")),
        before=query.get("before", ""),
        skip=whole_number(query.get("skip", "")) or 0,
        names=in_full(query),
    )


def whole_number(text: str) -> int | None:
    """A number as people write offsets, or None."""
    return int(text) if text.isascii() and text.isdigit() and len(text) < 19 else None


def seconds(text: str) -> float | None:
    """An instant in seconds since 1970 as an address has it, or None."""
    return float(text) if re.fullmatch(r"\d{1,12}(\.\d{1,9})?", text, re.ASCII) else None


async def _nothing() -> None:
    return None
