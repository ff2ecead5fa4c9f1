"""From the start of a process to its being ready."""

from collections.abc import Awaitable, Callable
from time import perf_counter

from bench.findings import Finding, Table
from bench.series import Series
from bench.stage import Server, Stage, poll
from stream_workers.kinds import KINDS

_ASSIGNED = "partitions assigned"


async def run(stage: Stage) -> Finding:
    finding = Finding("startup")
    database, topics = await stage.database(), await stage.topics()
    taken: dict[str, list[float]] = {"gateway": [], "metrics worker": [], "journal worker": []}
    for _ in range(stage.settings.round_count):
        began = perf_counter()
        gateway = await stage.gateway(database, topics)
        taken["gateway"].append(perf_counter() - began)
        stage.end(gateway)
        for kind in KINDS:
            began = perf_counter()
            worker = stage.program(kind, ["-m", "cli", "worker", kind], database, topics)
            await poll(_assigned(worker), what=f"partitions for {kind}", child=worker.child)
            taken[f"{kind} worker"].append(perf_counter() - began)
            stage.end(worker)
    lines = [(name, str(Series.of(values))) for name, values in taken.items()]
    finding.tables.append(Table("Start-up", ("", "seconds until ready"), lines))
    finding.figures |= taken
    return finding


def _assigned(worker: Server) -> Callable[[], Awaitable[bool]]:
    async def assigned() -> bool:
        return _ASSIGNED in worker.child.output()

    return assigned
