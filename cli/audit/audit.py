"""One audit: what can be judged now, the comparison, and the counters beside it."""

from bisect import bisect_right
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from cli.audit import removed, sides
from cli.audit.compare import RANGES_AT_ONCE, Differences, Ranges, look_closer, sum_up
from cli.audit.counted import Booked, books
from cli.audit.lines import Lines, journal_lines
from cli.audit.sides import Entry
from cli.finish import Report
from cli.topics.replay import OPEN_FOR, oldest_on_topic
from contracts import Topics, first_id, time_of
from gateway.database.connection import open_engine
from gateway.settings import Settings
from stream_workers.kafka.reader import bounds


@dataclass(frozen=True)
class Audit:
    """The verdict. ``held`` is in an outbox still, ``refused`` set aside as unpublishable; neither is drift."""

    since: datetime
    until: datetime
    differences: Differences
    held: int
    refused: int
    books: Mapping[str, Booked | None]
    lines: Lines | None = None

    @property
    def drift(self) -> int:
        found = self.differences
        books = sum(booked.drift for booked in self.books.values() if booked)
        return found.missing + found.duplicate + found.differing + books + (self.lines.absent if self.lines else 0)

    def to_fields(self) -> dict[str, Any]:
        """Plain numbers; those of a kind of worker are null until it has begun."""
        numbers = asdict(self.differences)
        examples = [_line(what, id_) for what, id_ in numbers.pop("examples")]
        span = {"since": self.since.isoformat(), "until": self.until.isoformat()}
        rest = {"held": self.held, "unpublishable": self.refused, "drift": self.drift}
        workers = {name: booked.to_fields() if booked else None for name, booked in self.books.items()}
        lines = {"journal_lines": self.lines.to_fields() if self.lines else None}
        return numbers | rest | workers | lines | {"examples": examples} | span


async def audit(
    settings: Settings,
    report: Report,
    *,
    journal: Sequence[Path] = (),
    tell: Callable[[str], object] = lambda _: None,
) -> Audit:
    """Compare what both sides still hold; raises what Kafka and PostgreSQL raise when they are away.

    ``journal`` are files with the journal's lines, held against its books as well. ``tell`` is given every difference
    as it is found: kind and id.
    """
    bootstrap, topics = settings.kafka_bootstrap_servers, settings.topics
    engine = open_engine(settings.database_url.get_secret_value(), isolation_level="REPEATABLE READ")
    try:
        async with engine.connect() as connection:
            found = await _audit(connection, bootstrap, topics, report, tell)
    finally:
        await engine.dispose()
    return replace(found, lines=await journal_lines(bootstrap, topics, journal))


async def _audit(
    connection: AsyncConnection, bootstrap: str, topics: Topics, report: Report, tell: Callable[[str], object]
) -> Audit:
    """The database's snapshot is taken first: what it shows as confirmed is on the topic read afterwards."""
    now: datetime = (await connection.execute(select(func.clock_timestamp()))).scalar_one()
    oldest_held, held = await sides.held(connection)
    refused = await sides.refused(connection)
    expired = await removed.expired_before(connection)
    first = max(await _first(connection, bootstrap, topics), expired)
    settled = first_id(now - OPEN_FOR).int
    last = settled - 1 if oldest_held is None else min(settled, oldest_held) - 1
    stretches = await bounds(bootstrap, topics.applications)
    ranges, skip = Ranges(first, max(first, last), expired=expired), held | refused
    total = sum(end - start for start, end in stretches.values())

    def events() -> AsyncIterator[Sequence[Entry]]:
        return _reported(removed.named(connection, sides.events(bootstrap, topics, stretches)), report, total)

    found = await sum_up(sides.rows(connection, UUID(int=first), UUID(int=last)), events, ranges, skip)

    def note(what: str, id_: int) -> None:
        found.note(what, id_)
        tell(_line(what, id_))

    different = ranges.differing()
    for start in range(0, len(different), RANGES_AT_ONCE):
        group = different[start : start + RANGES_AT_ONCE]
        rows = [sides.rows(connection, UUID(int=low), UUID(int=high)) for low, high in group]
        await look_closer(rows, _within(events(), group), skip, note)
    return Audit(
        since=time_of(UUID(int=first)),
        until=time_of(UUID(int=max(first, last))),
        differences=found,
        held=len(held),
        refused=len(refused),
        books=await books(bootstrap, topics, stretches),
    )


async def _first(connection: AsyncConnection, bootstrap: str, topics: Topics) -> int:
    """The first id that both sides still hold: the oldest row, or where the topic's retention has got to."""
    oldest = await sides.oldest(connection)
    begun = await oldest_on_topic(bootstrap, topics)
    return max(oldest.int if oldest else 0, (first_id(begun).int if begun else 0))


async def _reported(
    pages: AsyncIterator[Sequence[Entry]], report: Report, total: int
) -> AsyncIterator[Sequence[Entry]]:
    done = 0
    async for page in pages:
        yield page
        done += len(page)
        report(done, total)


async def _within(
    pages: AsyncIterator[Sequence[Entry]], group: Sequence[tuple[int, int]]
) -> AsyncIterator[Sequence[Entry]]:
    """What falls into one of these ranges, which are in order."""
    place = Places(group)
    async for page in pages:
        yield [entry for entry in page if entry.kind == "application" and place.holds(entry.id)]


class Places:
    """Ranges of ids in order, asked whether one of them holds an id."""

    def __init__(self, ranges: Sequence[tuple[int, int]]) -> None:
        self._starts, self._ends = [low for low, _ in ranges], [high for _, high in ranges]

    def holds(self, id_: int) -> bool:
        place = bisect_right(self._starts, id_) - 1
        return place >= 0 and id_ <= self._ends[place]


def _line(what: str, id_: int) -> str:
    return f"{what} {UUID(int=id_)}"
