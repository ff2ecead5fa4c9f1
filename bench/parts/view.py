"""What open pages of the web view cost the worker that serves them: at rest, and while it counts.

The figure is the CPU time of the process, not a rate: that is its own, whatever else the machine does meanwhile.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from aiokafka import TopicPartition

from bench.findings import Finding, Table
from bench.parts.workers import PARTITIONS, between, filled, progressed
from bench.series import Series
from bench.stage import Server, Stage
from contracts import Topics
from devstack.ports import HOST
from stream_workers.kinds import METRICS

SECONDS, QUICK_SECONDS = 60.0, 15.0
# Long enough for several looks: where showing is dear, there is one in ten seconds.
EVENTS, QUICK_EVENTS = 4_000_000, 1_000_000
PAGES = 50
# Joining the group; the first look of a page, and what it connects to.
_SETTLE_SECONDS = 10.0
_PATHS = ("overview", "history", "partitions", "groups", "tables", "agents", "live", "dead-letters", "events", "health")


async def run(stage: Stage) -> Finding:
    finding = Finding("view")
    await _rest(stage, finding)
    await _counting(stage, finding)
    return finding


async def _rest(stage: Stage, finding: Finding) -> None:
    """A whole stack in which nothing happens, so that every page has all of its sources."""
    database, topics = await stage.database(), await stage.topics()
    gateway, worker = await stage.gateway(database, topics), await _worker(stage, database, topics)
    await stage.outcome("bare_kafka", ["batch", "10000"], database, topics)
    seconds = QUICK_SECONDS if stage.settings.quick else SECONDS
    shares = {}
    for name, pages in {"no page": (), **{path: (path,) for path in _PATHS}, f"{PAGES} pages": _paths(PAGES)}.items():
        async with opened(worker, pages):
            await asyncio.sleep(_SETTLE_SECONDS)
            before = worker.meter.cpu_seconds()
            await asyncio.sleep(seconds)
            shares[name] = (worker.meter.cpu_seconds() - before) / seconds
    stage.end(gateway, worker)
    lines = [(name, f"{share:.2%}") for name, share in shares.items()]
    finding.tables.append(Table(f"Open pages, nothing happens for {seconds:.0f} s", ("", "CPU of one core"), lines))
    finding.figures["rest"] = shares
    worst = max(_PATHS, key=lambda path: shares[path])
    more = shares[worst] - shares["no page"]
    finding.judge("view: < 2 % CPU for one open page", f"{more:.2%} ({worst})", met=more < 0.02)


async def _counting(stage: Stage, finding: Finding) -> None:
    events = QUICK_EVENTS if stage.settings.quick else EVENTS
    spent: dict[int, list[float]] = {0: [], PAGES: []}
    for number in range(stage.settings.round_count):
        for pages in list(spent)[:: -1 if number % 2 else 1]:
            spent[pages].append(await _cpu_us(stage, pages, events))
    series = {pages: Series.of(many) for pages, many in spent.items()}
    lines = [(f"{pages} pages", str(each)) for pages, each in series.items()]
    finding.tables.append(Table(f"Counting {events} events", ("", "CPU µs for each"), lines))
    finding.figures["counting"] = {str(pages): each.values for pages, each in series.items()}
    share = series[0].ratios(series[PAGES])
    budget = "view: counting with fifty open pages at least 95 % of without"
    finding.judge(budget, f"{share} of it (by CPU time)", met=share.median >= 0.95)


async def _cpu_us(stage: Stage, pages: int, events: int) -> float:
    """CPU for each event of a worker that counts a topic full of them as fast as it can, with so many pages open.

    Its event loop is one: what the pages take of it, counting has not. The first half is left out: in it pages are
    opened, and each template is compiled once for as long as the worker lives.
    """
    topics = await filled(stage, events)
    worker = await _worker(stage, "postgres", topics)
    async with opened(worker, _paths(pages)):
        partitions = [TopicPartition(METRICS.changelog(topics), number) for number in range(PARTITIONS)]
        progress = await progressed(stage, [worker], partitions, events)
    stage.end(worker)
    return between([each for each in progress if each.events >= events / 2]).cpu_us


async def _worker(stage: Stage, database: str, topics: Topics) -> Server:
    worker = stage.program("metrics", ["-m", "cli", "worker", "metrics"], database, topics, log_format="json")
    await stage.until_open(worker)
    return worker


def _paths(pages: int) -> tuple[str, ...]:
    return tuple(_PATHS[number % len(_PATHS)] for number in range(pages))


@asynccontextmanager
async def opened(worker: Server, paths: tuple[str, ...]) -> AsyncIterator[None]:
    """Pages that are open: their live updates are read, and thrown away."""
    readers = [asyncio.create_task(_read(worker.port, path)) for path in paths]
    try:
        yield
        ended = [reader for reader in readers if reader.done()]
        if ended:
            raise RuntimeError(f"{len(ended)} of {len(paths)} pages lost their live updates")
    finally:
        for reader in readers:
            reader.cancel()
            with suppress(asyncio.CancelledError):
                await reader


async def _read(port: int, path: str) -> None:
    reader, writer = await asyncio.open_connection(HOST, port)
    try:
        writer.write(f"GET /events/{path} HTTP/1.1\r\nHost: {HOST}:{port}\r\n\r\n".encode())
        if b" 200 " not in await reader.readline():
            return
        while await reader.read(1 << 20):
            pass
    finally:
        writer.close()
