"""One audit: what can be judged now, the comparison, and the counters beside it."""

from bisect import bisect_right
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from cli.audit import removed, sides
from cli.audit.compare import RANGES_AT_ONCE, Differences, Ranges, look_closer, sum_up
from cli.audit.counted import Booked, books
from cli.audit.lines import Lines, journal_lines
from cli.audit.reach import reach_of
from cli.audit.sides import Entry
from cli.finish import Report
from contracts import Topics, first_id, last_id, time_of
from gateway.database.connection import open_engine
from gateway.settings import Settings
from runtime.kafka.clients import Kafka
from stream_workers.books.states import Junk
from stream_workers.kafka.reader import bounds

# An event this young may belong to a row whose commit was still open when the rows were looked at.
OPEN_FOR = timedelta(seconds=60)
LAST = (1 << 128) - 1


@dataclass(frozen=True)
class Audit:
    """The verdict. ``held`` is in an outbox still, ``refused`` set aside as unpublishable; neither is drift.

    Nor is ``junk``: what somebody has put among the workers' states, which no worker takes for one.
    """

    since: datetime
    until: datetime
    differences: Differences
    held: int
    refused: int
    books: Mapping[str, Booked | None]
    junk: Sequence[Junk] = ()
    lines: Lines | None = None

    @property
    def drift(self) -> int:
        found = self.differences
        books = sum(booked.drift for booked in self.books.values() if booked)
        return found.missing + found.duplicate + found.differing + books + (self.lines.absent if self.lines else 0)

    @property
    def compared(self) -> bool:
        """Whether there was anything that one side could be held against."""
        return self.differences.rows > 0 or self.drift > 0

    @property
    def verdict(self) -> str:
        """One sentence."""
        found = self.differences
        if not self.compared:
            return f"nothing could be compared: {self._why_nothing()}"
        wrong = {name: getattr(found, name) for name in ("missing", "duplicate", "differing")}
        wrong |= {f"wrong in the {name} worker's books": booked.drift for name, booked in self.books.items() if booked}
        wrong["without the journal's line"] = self.lines.absent if self.lines else 0
        said = ", ".join(f"{count} {name}" for name, count in wrong.items() if count)
        return f"{_applications(found.rows)} compared, {said or 'all well'}"

    def _why_nothing(self) -> str:
        if self.differences.untold:
            return f"{_applications(self.differences.untold)} older than what the topic holds of their partition"
        if self.held:
            return f"{_applications(self.held)} in an outbox, about to be published"
        return "no application in PostgreSQL that the topic could hold"

    def to_fields(self) -> dict[str, Any]:
        """Plain numbers; those of a kind of worker are null until it has begun."""
        numbers = asdict(self.differences)
        examples = [_line(what, id_) for what, id_ in numbers.pop("examples")]
        verdict = {"verdict": self.verdict, "compared": self.compared}
        span = {"since": self.since.isoformat(), "until": self.until.isoformat()}
        rest = {"held": self.held, "unpublishable": self.refused, "drift": self.drift}
        workers = {name: booked.to_fields() if booked else None for name, booked in self.books.items()}
        lines = {"journal_lines": self.lines.to_fields() if self.lines else None}
        more = {"junk": list(map(str, self.junk)), "examples": examples}
        return verdict | numbers | rest | workers | lines | more | span


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
    kafka, topics = settings.kafka, settings.topics
    engine = open_engine(settings.postgresql, isolation_level="REPEATABLE READ")
    try:
        async with engine.connect() as connection:
            found = await _audit(connection, kafka, topics, report, tell)
    finally:
        await engine.dispose()
    return replace(found, lines=await journal_lines(kafka, topics, journal))


async def _audit(
    connection: AsyncConnection, kafka: Kafka, topics: Topics, report: Report, tell: Callable[[str], object]
) -> Audit:
    """The database's snapshot is taken first: a row in it that no outbox holds is on the topic read afterwards."""
    now: datetime = (await connection.execute(select(func.clock_timestamp()))).scalar_one()
    oldest_held, held = await sides.held(connection)
    refused = await sides.refused(connection)
    expired = await removed.expired_before(connection)
    stretches = await bounds(kafka, topics.applications)
    reach = await reach_of(connection, kafka, topics, stretches)
    oldest = await sides.oldest(connection)
    first = max(oldest.int if oldest else 0, reach.first, expired)
    last = LAST if oldest_held is None else max(first, oldest_held - 1)
    ranges, skip = Ranges(first, last, expired=expired), held | refused
    total = sum(end - start for start, end in stretches.values())

    def events() -> AsyncIterator[Sequence[Entry]]:
        read = sides.events(kafka, topics, stretches, reach)
        return _reported(removed.named(connection, read, settled=first_id(now - OPEN_FOR).int), report, total)

    def rows(low: int, high: int) -> AsyncIterator[Sequence[Entry]]:
        return sides.rows(connection, UUID(int=low), UUID(int=high), reach)

    found = await sum_up(rows(first, last), events, ranges, skip)

    def note(what: str, id_: int) -> None:
        found.note(what, id_)
        tell(_line(what, id_))

    different = ranges.differing()
    for start in range(0, len(different), RANGES_AT_ONCE):
        group = different[start : start + RANGES_AT_ONCE]
        await look_closer([rows(low, high) for low, high in group], within(events(), group), skip, note)
    workers = await books(kafka, topics, stretches)
    return Audit(
        since=time_of(UUID(int=min(first, last_id(now).int))),
        until=time_of(UUID(int=min(last, last_id(now).int))),
        differences=found,
        held=len(held),
        refused=len(refused),
        books=workers.booked,
        junk=workers.junk,
    )


async def _reported(
    pages: AsyncIterator[Sequence[Entry]], report: Report, total: int
) -> AsyncIterator[Sequence[Entry]]:
    done = 0
    async for page in pages:
        yield page
        done += len(page)
        report(done, total)


async def within(
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


def _applications(count: int) -> str:
    return f"{count} application{'s' * (count != 1)}"


def _line(what: str, id_: int) -> str:
    return f"{what} {UUID(int=id_)}"
