"""GET /applications over tables of ten thousand to ten million rows: it must not matter how many there are."""

from bench.findings import Finding, Table
from bench.load import Load, Shot, fire
from bench.rows import fill
from bench.series import Series
from bench.stage import Server, Stage
from gateway.read import cursor
from gateway.read.search import Search

SIZES, QUICK_SIZES = (10_000, 1_000_000, 10_000_000), (10_000, 300_000)
CONNECTIONS = 8
_FLAT = 1.5
# As deep as the smallest table allows.
_DEEP_PAGE = 400

PAGE_ONE, CURSOR, DEEP = "page 1", "cursor in the middle", f"page {_DEEP_PAGE}"


async def run(stage: Stage) -> Finding:
    finding = Finding("get")
    sizes = QUICK_SIZES if stage.settings.quick else SIZES
    calls = {size: await _prepared(stage, size) for size in sizes}
    results: dict[tuple[str, int], list[Load]] = {}
    for _ in range(stage.settings.round_count):
        for size, (server, paths) in calls.items():
            for name, path in paths.items():
                seconds = max(1.0, stage.settings.load_seconds / 4)
                load = await fire(server.address, Shot("get", path), connections=CONNECTIONS, seconds=seconds)
                results.setdefault((name, size), []).append(load)
    stage.end(*(server for server, _ in calls.values()))
    _tell(finding, results, sizes)
    return finding


async def _prepared(stage: Stage, size: int) -> tuple[Server, dict[str, str]]:
    """A gateway on a table of so many rows, and the calls to make there."""
    database, topics = await stage.database(), await stage.topics()
    async with stage.connection(database) as connection:
        await fill(connection, size)
        middle = await connection.fetchval("SELECT id FROM applications ORDER BY id LIMIT 1 OFFSET $1", size // 2)
    server = await stage.gateway(database, topics, name=f"headgate-{size}")
    token = cursor.encode(middle, Search().filters)
    paths = {
        PAGE_ONE: "/applications",
        CURSOR: f"/applications?cursor={token}",
        DEEP: f"/applications?page={_DEEP_PAGE}",
    }
    return server, paths


def _tell(finding: Finding, results: dict[tuple[str, int], list[Load]], sizes: tuple[int, ...]) -> None:
    columns = ("rows", *(f"{name}: p50 ms" for name in (PAGE_ONE, CURSOR, DEEP)), "page 1 per second")
    lines = []
    for size in sizes:
        cells = [str(_p50(results[name, size])) for name in (PAGE_ONE, CURSOR, DEEP)]
        rate = Series.of(load.rate for load in results[PAGE_ONE, size])
        lines.append((f"{size:,}".replace(",", " "), *cells, str(rate)))
    finding.tables.append(Table(f"GET /applications, {CONNECTIONS} connections", columns, lines))
    finding.figures["p50_ms"] = {f"{name}, {size}": _p50(loads).values for (name, size), loads in results.items()}
    for name in (PAGE_ONE, CURSOR):
        ratio = _p50(results[name, sizes[-1]]).ratios(_p50(results[name, sizes[0]]))
        budget = f"GET, {name}: at most {_FLAT} times from {sizes[0]:,} to {sizes[-1]:,} rows"
        finding.judge(budget, f"{ratio} times", met=ratio.median <= _FLAT)


def _p50(loads: list[Load]) -> Series:
    return Series.of(load.p50_ms for load in loads)
