"""Good applications at a fixed rate, alone and beside two hundred hostile connections: who suffers, and what is held.

The hostile ones walk through the whole corpus of the tests, as heavy bodies and in batches too, or hold a connection:
they never read, read in drips, send half a head or half a body, or say nothing. Each pauses between two requests: a
machine with two cores is not to be measured for how many megabytes of junk it can read.
"""

import asyncio
import itertools
from collections import Counter
from collections.abc import Callable, Coroutine, Iterator, Mapping
from contextlib import suppress
from typing import Any

import psutil

from bench.findings import Finding, Table
from bench.load import POST, Mix, pace
from bench.stage import Server, Stage
from devstack.ports import HOST
from tests.support.heavy import BATCHES, HEAVY, MANY
from tests.support.hostile import ACCEPTED, HOSTILE_TARGETS, REFUSED, Case

RATE, GOOD_CONNECTIONS, CONNECTIONS = 1_000, 64, 200
SECONDS, QUICK_SECONDS = 60.0, 15.0
_PAUSE_SECONDS = 2.0
_HOLD_SECONDS = 8.0
_PROBE_SECONDS = 0.02
_P99_MS, _MB, _FILES = 100, 250, 400

Client = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Coroutine[Any, Any, str]]


async def run(stage: Stage) -> Finding:
    finding = Finding("hostile")
    server = await stage.gateway(await stage.database(), await stage.topics())
    seconds = QUICK_SECONDS if stage.settings.quick else SECONDS
    alone = await _watched(server, seconds)
    outcomes = Counter[str]()
    crowd = asyncio.create_task(_crowd(server.port, outcomes))
    beside = await _watched(server, seconds)
    crowd.cancel()
    await asyncio.gather(crowd, return_exceptions=True)
    stage.end(server)
    times = ("p50 ms", "p99 ms", "max ms", "refused", "probe p99 ms", "probe max ms", "CPU, cores")
    columns = ("", "per second", *times, "MB", "open files")
    lines = [_line("good applications alone", alone), _line(f"beside {CONNECTIONS} hostile connections", beside)]
    finding.tables.append(Table(f"{RATE} applications a second for {seconds:.0f} s", columns, lines))
    finding.notes.append(f"answers to the hostile: {dict(sorted(outcomes.items()))}")
    finding.figures |= {"alone": alone, "beside": beside, "outcomes": dict(outcomes)}
    _judge(finding, beside)
    return finding


def _judge(finding: Finding, beside: Mapping[str, float]) -> None:
    p99, memory, files = beside["p99_ms"], beside["mb"], beside["files"]
    finding.judge(f"beside hostile clients: p99 below {_P99_MS} ms", f"{p99:.0f} ms", met=p99 < _P99_MS)
    finding.judge(f"beside hostile clients: below {_MB} MB", f"{memory:.0f} MB", met=memory < _MB)
    finding.judge(f"beside hostile clients: below {_FILES} open files", f"{files:.0f}", met=files < _FILES)
    lost = beside["refused"] + beside["broken"]
    finding.judge("beside hostile clients: no good one refused", f"{lost:.0f}", met=lost == 0)


def _line(name: str, seen: Mapping[str, float]) -> tuple[str, ...]:
    kinds = ("rate", "p50_ms", "p99_ms", "max_ms", "refused", "probe_p99_ms", "probe_max_ms")
    figures = [f"{seen[kind]:.0f}" for kind in kinds]
    return (name, *figures, f"{seen['cores']:.2f}", f"{seen['mb']:.0f}", f"{seen['files']:.0f}")


async def _watched(server: Server, seconds: float) -> dict[str, float]:
    """Good load, what its clients saw, and the most that the process held meanwhile."""
    mix = Mix({"good": (1, POST)}, RATE, GOOD_CONNECTIONS)
    loading = asyncio.create_task(pace(server.address, mix, seconds=seconds))
    probed: list[float] = []
    probing = asyncio.create_task(_probe(server.port, probed))
    memory, files, gateway = 0.0, 0, psutil.Process(server.child.pid)
    spent = server.meter.cpu_seconds()
    while not loading.done():
        memory, files = max(memory, server.meter.largest_rss_bytes() / 2**20), max(files, gateway.num_fds())
        await asyncio.sleep(0.25)
    probing.cancel()
    load = (await loading)["good"]
    probed.sort()
    return {
        "rate": load.rate,
        "p50_ms": load.p50_ms,
        "p99_ms": load.p99_ms,
        "max_ms": load.max_ms,
        "refused": load.refused,
        "broken": load.broken,
        "cores": (server.meter.cpu_seconds() - spent) / load.seconds,
        "probe_p99_ms": probed[int(len(probed) * 0.99)] * 1e3,
        "probe_max_ms": probed[-1] * 1e3,
        "mb": memory,
        "files": files,
    }


async def _probe(port: int, probed: list[float]) -> None:
    """How long /livez takes, which does nothing itself: a bound from above for a turn of the event loop."""
    loop = asyncio.get_running_loop()
    reader, writer = await asyncio.open_connection(HOST, port)
    while True:
        began = loop.time()
        writer.write(b"GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n")
        head = await reader.readuntil(b"\r\n\r\n")
        await reader.readexactly(int(head.lower().partition(b"content-length:")[2].split(b"\r\n", 1)[0]))
        probed.append(loop.time() - began)
        await asyncio.sleep(_PROBE_SECONDS)


async def _crowd(port: int, outcomes: Counter[str]) -> None:
    clients = itertools.cycle(_clients())
    await asyncio.gather(*(_hostile(port, clients, outcomes, place) for place in range(CONNECTIONS)))


async def _hostile(port: int, clients: Iterator[Client], outcomes: Counter[str], place: int) -> None:
    await asyncio.sleep(_PAUSE_SECONDS * place / CONNECTIONS)
    while True:
        client = next(clients)
        try:
            reader, writer = await asyncio.open_connection(HOST, port)
            async with asyncio.timeout(30):
                outcomes[await client(reader, writer)] += 1
            writer.transport.abort()
        except (OSError, EOFError, asyncio.LimitOverrunError):
            outcomes["cut"] += 1
        except TimeoutError:
            outcomes["silence"] += 1
        await asyncio.sleep(_PAUSE_SECONDS)


def _clients() -> list[Client]:
    """One for each thing that a hostile client may do."""
    asked = [case.request() for case in (*REFUSED, *ACCEPTED)]
    asked += [case.request("/applications/batch") for case in REFUSED]
    asked += [f"GET {target} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode() for target, _ in HOSTILE_TARGETS]
    heavy = [Case(name, body, 0).request() for name, body in HEAVY.items()]
    heavy += [_batch(*way(body)) for body in HEAVY.values() for way in BATCHES.values()]
    heavy += [_batch(*many) for many in MANY.values()]
    holding = [_nothing, _half(b"GET / HTT"), _half(heavy[0][:70_000]), _never_reads, _drips]
    found: list[Client] = []
    for number, request in enumerate([*asked, *heavy]):
        found.append(_asks(request))
        if number % 4 == 0:
            found.append(holding[number // 4 % len(holding)])
    return found


def _batch(media_type: str, body: bytes) -> bytes:
    return Case("", body, 0, {"Content-Type": media_type}).request("/applications/batch")


def _asks(request: bytes) -> Client:
    async def ask(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> str:
        writer.write(request)
        with suppress(ConnectionError):
            await writer.drain()
        return (await reader.readuntil(b"\r\n"))[9:12].decode()

    return ask


def _half(request: bytes) -> Client:
    async def hold(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> str:
        writer.write(request)
        await asyncio.sleep(_HOLD_SECONDS)
        return "held"

    return hold


async def _nothing(_: asyncio.StreamReader, __: asyncio.StreamWriter) -> str:
    await asyncio.sleep(_HOLD_SECONDS)
    return "held"


async def _never_reads(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> str:
    reader._transport.pause_reading()  # type: ignore[attr-defined]  # there is no other way to leave it lying
    writer.write(b"GET /applications?size=100 HTTP/1.1\r\nHost: localhost\r\n\r\n" * 20)
    await asyncio.sleep(_HOLD_SECONDS)
    return "held"


async def _drips(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> str:
    writer.write(b"GET /applications?size=100 HTTP/1.1\r\nHost: localhost\r\n\r\n")
    for _ in range(round(_HOLD_SECONDS)):
        await reader.read(1)
        await asyncio.sleep(1)
    return "held"
