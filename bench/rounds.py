"""One stretch of load on one server, and what it cost every process on the way."""

import asyncio
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, TypeVar
from uuid import UUID

from bench.load import Load, Shot, fire
from bench.processes import Meter
from bench.series import Series
from bench.stage import Connection, Server, Stage, poll

# Backends hand their counts over at most once a second.
_STATISTICS_SECONDS = 1.2

Name = TypeVar("Name", bound=Hashable)

_ROW_VERSIONS = "SELECT coalesce(sum(n_tup_ins + n_tup_upd), 0)::bigint FROM pg_stat_user_tables"
_OUTBOX = "SELECT count(*) FROM outbox"
_NEWEST = "SELECT id FROM applications ORDER BY id DESC LIMIT 1"
_STORED = "SELECT count(*) FROM applications WHERE $1::uuid IS NULL OR id > $1"


@dataclass(frozen=True)
class Subject:
    """A server under comparison, the database behind it, and how many applications one of its requests carries."""

    name: str
    server: Server
    database: str
    items: int = 1


@dataclass(frozen=True)
class Round:
    """Figures of one stretch; CPU in microseconds and bytes for each application, memory in bytes."""

    load: Load
    items: int
    cpu: Mapping[str, float]
    wal_bytes: float
    row_versions: float
    rss_bytes: int

    @property
    def rate(self) -> float:
        return self.load.rate * self.items


@dataclass(frozen=True)
class _Before:
    cpu: Mapping[str, float]
    lsn: str
    versions: int
    newest: UUID | None


async def measure(stage: Stage, subject: Subject, shot: Shot, *, connections: int, seconds: float) -> Round:
    """Load the server, wait until what it accepted is published, and read all meters before and after."""
    async with stage.connection(subject.database) as connection:
        before = await _before(stage, subject, connection)
        load = await fire(subject.server.address, shot, connections=connections, seconds=seconds)
        rss = subject.server.meter.largest_rss_bytes()
        await poll(lambda: _published(connection), what="an empty outbox")
        await asyncio.sleep(_STATISTICS_SECONDS)
        # Also those whose answers the generator did not wait for at its end; a server that stores nothing has none.
        stored = await connection.fetchval(_STORED, before.newest)
        applications = stored or load.requests * subject.items
        cpu = {name: (meter.cpu_seconds() - before.cpu[name]) * 1e6 for name, meter in _meters(stage, subject).items()}
        wal = await connection.fetchval("SELECT pg_wal_lsn_diff(pg_current_wal_lsn(), $1)", before.lsn)
        versions = await connection.fetchval(_ROW_VERSIONS) - before.versions
    return Round(
        load,
        subject.items,
        {name: spent / applications for name, spent in cpu.items()},
        float(wal) / applications,
        versions / applications,
        rss,
    )


async def alternate(
    stage: Stage, loads: Mapping[Name, tuple[Subject, Shot, int]], *, count: int, seconds: float
) -> dict[Name, list[Round]]:
    """Every load in turn, so many rounds, every other one backwards; each is warmed up once before.

    A load: the server, what is sent to it, over how many connections.
    """
    for subject, shot, connections in loads.values():
        await fire(subject.server.address, shot, connections=connections, seconds=1)
    rounds: dict[Name, list[Round]] = {name: [] for name in loads}
    for number in range(count):
        for name in list(loads)[:: -1 if number % 2 else 1]:
            subject, shot, connections = loads[name]
            rounds[name].append(await measure(stage, subject, shot, connections=connections, seconds=seconds))
    return rounds


def rates(rounds: Sequence[Round]) -> Series:
    """Applications per second."""
    return Series.of(each.rate for each in rounds)


def cpu(rounds: Sequence[Round], process: str = "server") -> Series:
    """Microseconds for each application."""
    return Series.of(each.cpu[process] for each in rounds)


def p50(rounds: Sequence[Round]) -> Series:
    return Series.of(each.load.p50_ms for each in rounds)


def p99(rounds: Sequence[Round]) -> Series:
    return Series.of(each.load.p99_ms for each in rounds)


def plain(rounds: Mapping[str, Sequence[Round]]) -> dict[str, Any]:
    """For the JSON."""
    return {name: [asdict(each) for each in many] for name, many in rounds.items()}


COLUMNS = (
    "",
    "per second",
    "p50 ms",
    "p99 ms",
    "CPU µs server",
    "PostgreSQL",
    "Kafka",
    "WAL bytes",
    "row versions",
    "memory MB",
)


def row(name: str, rounds: Sequence[Round]) -> tuple[str, ...]:
    """A line of the table; every figure is the median, with the lowest and highest round beside it."""
    series = (rates(rounds), p50(rounds), p99(rounds), cpu(rounds), cpu(rounds, "postgresql"), cpu(rounds, "kafka"))
    written = (Series.of(each.wal_bytes for each in rounds), Series.of(each.row_versions for each in rounds))
    memory = max(each.rss_bytes for each in rounds) / 2**20
    return (name, *map(str, series), *(f"{figure.median:.2f}" for figure in written), f"{memory:.0f}")


def _meters(stage: Stage, subject: Subject) -> dict[str, Meter]:
    return {"server": subject.server.meter, "postgresql": stage.postgres_meter, "kafka": stage.kafka_meter}


async def _before(stage: Stage, subject: Subject, connection: Connection) -> _Before:
    await asyncio.sleep(_STATISTICS_SECONDS)
    versions = await connection.fetchval(_ROW_VERSIONS)
    lsn = await connection.fetchval("SELECT pg_current_wal_lsn()")
    newest = await connection.fetchval(_NEWEST)
    spent = {name: meter.cpu_seconds() for name, meter in _meters(stage, subject).items()}
    return _Before(spent, lsn, versions, newest)


async def _published(connection: Connection) -> bool:
    return bool(await connection.fetchval(_OUTBOX) == 0)
