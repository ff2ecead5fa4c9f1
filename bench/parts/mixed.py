"""Latency under a mixed load, 70 % of what the server can take: one by id, pages and POSTs, each by its percentiles.

What a server can take is measured a moment before, with the same mix. Then requests are due at a fixed rate, whether or
not earlier ones have been answered, and are timed from when they were due. The generator shares the cores, and takes
most of one near what Headgate can take: so Headgate is also measured at the rate of the usual way.
"""

import resource
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from uuid import UUID

from bench.findings import Finding, Table
from bench.load import POST, Load, Mix, Shot, fire, pace
from bench.rows import fill, middle
from bench.series import Series, number
from bench.stage import Server, Stage

ROWS, QUICK_ROWS = 10_000_000, 300_000
SECONDS, QUICK_SECONDS = 20.0, 5.0
CONNECTIONS, SHARE = 64, 0.7
OURS, USUAL, SAME_RATE = "Headgate", "the usual way", "Headgate, at that rate"
GENERATOR = "generator"
ONE, PAGE, WRITE = "one by id", "page of 20", "POST"
_PERCENTILES = ("p50_ms", "p99_ms", "p999_ms")


@dataclass(frozen=True)
class Stretch:
    """One round: requests a second that were possible, what was offered and answered, CPU in seconds by process."""

    capacity: float
    offered: float
    loads: Mapping[str, Load]
    cpu: Mapping[str, float]

    @property
    def answered(self) -> int:
        return sum(load.requests for load in self.loads.values())

    def cpu_us(self, *processes: str) -> float:
        """For each request, of these processes together."""
        return sum(self.cpu[name] for name in processes) / self.answered * 1e6


async def run(stage: Stage) -> Finding:
    finding = Finding("mixed")
    rows = QUICK_ROWS if stage.settings.quick else ROWS
    servers, ids = await _servers(stage, rows)
    found: dict[str, list[Stretch]] = {name: [] for name in (*servers, SAME_RATE)}
    for turn in range(stage.settings.round_count):
        for name, server in list(servers.items())[:: -1 if turn % 2 else 1]:
            most = await _capacity(stage, server, ids, pages=name == OURS)
            found[name].append(
                await _stretch(stage, server, ids, capacity=most, offered=most * SHARE, pages=name == OURS)
            )
        most, offered = found[OURS][-1].capacity, found[USUAL][-1].offered
        found[SAME_RATE].append(await _stretch(stage, servers[OURS], ids, capacity=most, offered=offered, pages=True))
    stage.end(*servers.values())
    _tell(finding, found, rows)
    return finding


async def _servers(stage: Stage, rows: int) -> tuple[dict[str, Server], list[UUID]]:
    database, topics = await stage.database(), await stage.topics()
    async with stage.connection(database) as connection:
        await fill(connection, rows)
        ids = await middle(connection, rows)
    servers = {
        OURS: await stage.gateway(database, topics),
        USUAL: await stage.asgi("usual_whole", database, topics),
    }
    return servers, ids


async def _capacity(stage: Stage, server: Server, ids: Sequence[UUID], *, pages: bool) -> float:
    """Requests a second."""
    whole = Shot("mixed", arguments=(int(pages), *map(str, ids)))
    await fire(server.address, whole, connections=CONNECTIONS, seconds=1)
    return (await fire(server.address, whole, connections=CONNECTIONS, seconds=stage.settings.load_seconds)).rate


async def _stretch(
    stage: Stage, server: Server, ids: Sequence[UUID], *, capacity: float, offered: float, pages: bool
) -> Stretch:
    kinds = {ONE: (19 - pages, Shot("one", arguments=tuple(map(str, ids)))), WRITE: (1, POST)}
    if pages:
        kinds[PAGE] = (1, Shot("get", "/applications"))
    before = _spent(stage, server)
    seconds = QUICK_SECONDS if stage.settings.quick else SECONDS
    loads = await pace(server.address, Mix(kinds, offered, CONNECTIONS), seconds=seconds)
    return Stretch(capacity, offered, loads, {name: now - before[name] for name, now in _spent(stage, server).items()})


def _spent(stage: Stage, server: Server) -> dict[str, float]:
    """Seconds of CPU by now, by process; the generator's processes have ended when they are asked of."""
    meters = {"server": server.meter, "postgresql": stage.postgres_meter, "kafka": stage.kafka_meter}
    ended = resource.getrusage(resource.RUSAGE_CHILDREN)
    return {name: meter.cpu_seconds() for name, meter in meters.items()} | {GENERATOR: ended.ru_utime + ended.ru_stime}


def _tell(finding: Finding, found: Mapping[str, Sequence[Stretch]], rows: int) -> None:
    title = f"Mixed load at 70 % of what is possible, {number(rows)} rows, {CONNECTIONS} connections"
    times = [_times(name, kind, many) for name, many in found.items() for kind in many[0].loads]
    columns = ("", "", "a second", "p50 ms", "p99 ms", "p99.9 ms")
    costs = [_costs(name, many) for name, many in found.items()]
    processes = ("CPU µs server", "PostgreSQL", "Kafka", "generator", "offered for each core of the first three")
    finding.tables.append(Table(title, columns, times))
    finding.tables.append(Table("What the mix costs", ("", "possible a second", "offered", *processes), costs))
    finding.notes.append(
        "Of a hundred requests 90 are one by id, 5 a page, 5 a POST. The usual way is spared the pages, for each of "
        "which it counts every row: its reads are by id."
    )
    finding.figures |= {name: [asdict(each) for each in many] for name, many in found.items()}
    lost = sum(load.refused + load.broken for each in found[OURS] for load in each.loads.values())
    finding.judge("mixed: all is answered at 70 % of what is possible", f"{lost} were not", met=not lost)


def _times(name: str, kind: str, many: Sequence[Stretch]) -> tuple[str, ...]:
    loads = [each.loads[kind] for each in many]
    series = [Series.of(load.rate for load in loads)]
    series += [Series.of(getattr(load, percentile) for load in loads) for percentile in _PERCENTILES]
    return (name, kind, *map(str, series))


def _costs(name: str, many: Sequence[Stretch]) -> tuple[str, ...]:
    series = [Series.of(each.capacity for each in many), Series.of(each.offered for each in many)]
    series += [Series.of(each.cpu_us(process) for each in many) for process in many[0].cpu]
    series.append(Series.of(1e6 / each.cpu_us(*(each.cpu.keys() - {GENERATOR})) for each in many))
    return (name, *map(str, series))
