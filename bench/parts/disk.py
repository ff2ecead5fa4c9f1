"""The slowest POSTs at ten million rows as at none: how much of it is the disk's, and what keeps the disk busy."""

from dataclasses import asdict, dataclass

import psutil

from bench.findings import Finding, Table
from bench.flush import probed
from bench.load import POST, Load, fire
from bench.rounds import Subject, measure
from bench.rows import fill
from bench.series import Series, number
from bench.stage import Connection, Stage

ROWS, QUICK_ROWS = 10_000_000, 300_000
CONNECTIONS = 64
NONE, FILLED, QUIET, WITHOUT = "no rows", "just filled", "after a checkpoint", "and fsync off"
_FSYNCS = "SELECT sum(fsyncs)::float8 AS times, sum(fsync_time) AS ms FROM pg_stat_io WHERE object = 'wal'"
_TIMES_AS_AT_NONE = 1.5


@dataclass(frozen=True)
class Stretch:
    """One round: the load, and what the disk did meanwhile."""

    load: Load
    fsync_ms: float
    flush_p99_ms: float
    written_mb: float


async def run(stage: Stage) -> Finding:
    finding = Finding("disk")
    rows = QUICK_ROWS if stage.settings.quick else ROWS
    database = await stage.database()
    subject = Subject("headgate", await stage.gateway(database, await stage.topics()), database)
    async with stage.connection("postgres", admin=True) as admin:
        await _set(admin, "track_wal_io_timing", "on")
        await fire(subject.server.address, POST, connections=CONNECTIONS, seconds=2)
        found = {NONE: await _rounds(stage, subject, admin)}
        async with stage.connection(database) as connection:
            await fill(connection, rows)
        found[FILLED] = await _rounds(stage, subject, admin)
        await admin.execute("CHECKPOINT", timeout=600)
        found[QUIET] = await _rounds(stage, subject, admin)
        await _set(admin, "fsync", "off")
        found[WITHOUT] = await _rounds(stage, subject, admin)
    stage.end(subject.server)
    _tell(finding, found, rows)
    return finding


async def _set(admin: Connection, name: str, value: str) -> None:
    await admin.execute(f"ALTER SYSTEM SET {name} = {value}")
    await admin.execute("SELECT pg_reload_conf()")


async def _rounds(stage: Stage, subject: Subject, admin: Connection) -> list[Stretch]:
    return [await _stretch(stage, subject, admin) for _ in range(stage.settings.round_count)]


async def _stretch(stage: Stage, subject: Subject, admin: Connection) -> Stretch:
    before, written = await _fsyncs(admin), _written()
    async with probed(stage.folder) as flushes:
        seconds = stage.settings.load_seconds
        each = await measure(stage, subject, POST, connections=CONNECTIONS, seconds=seconds)
    times, taken = (now - then for now, then in zip(await _fsyncs(admin), before, strict=True))
    flush = sorted(flushes)[int(len(flushes) * 0.99)] * 1e3
    return Stretch(each.load, taken / max(times, 1), flush, (_written() - written) / 1e6)


async def _fsyncs(admin: Connection) -> tuple[float, float]:
    """How often the log was made durable since the server began, and how many milliseconds that took."""
    [row] = await admin.fetch(_FSYNCS)
    return row["times"], row["ms"]


def _written() -> int:
    """Bytes, to all disks of the machine."""
    counters = psutil.disk_io_counters()
    return counters.write_bytes if counters else 0


def _tell(finding: Finding, found: dict[str, list[Stretch]], rows: int) -> None:
    columns = ("", "per second", "p50 ms", "p99 ms", "max ms")
    disk = ("fsync of the log, ms", "a flush beside it, p99 ms", "MB written to disk")
    title = f"POST /applications with {number(rows)} rows, {CONNECTIONS} connections"
    finding.tables.append(Table(title, (*columns, *disk), [_line(name, many) for name, many in found.items()]))
    finding.figures |= {name: [asdict(each) for each in many] for name, many in found.items()}
    times = _p99(found[QUIET]) / _p99(found[NONE])
    budget = f"POST: p99 at {number(rows)} rows at most {_TIMES_AS_AT_NONE} times that at none"
    finding.judge(budget, f"{times:.2f} times", met=times <= _TIMES_AS_AT_NONE)


def _line(name: str, many: list[Stretch]) -> tuple[str, ...]:
    of_load = ("rate", "p50_ms", "p99_ms", "max_ms")
    series = [Series.of(getattr(each.load, what) for each in many) for what in of_load]
    series += [Series.of(getattr(each, what) for each in many) for what in ("fsync_ms", "flush_p99_ms", "written_mb")]
    return (name, *map(str, series))


def _p99(many: list[Stretch]) -> float:
    return Series.of(each.load.p99_ms for each in many).median
