"""GET of one application and of pages: the gateway beside the usual way and beside bytes from memory."""

from dataclasses import replace
from uuid import UUID

from bench.findings import Finding, Table
from bench.load import Shot
from bench.rounds import Round, Subject, alternate, cpu, p50, p99, plain, rates
from bench.rows import fill, middle
from bench.series import Series, number
from bench.stage import Stage
from gateway.read import cursor
from gateway.read.search import Search

CONNECTIONS = 16
ROWS, QUICK_ROWS = 10_000_000, 300_000
BARE, USUAL, OURS = "bytes from memory", "the usual way", "Headgate"
ONE, SAME, FIRST, MIDDLE, USER, HUNDRED, ALONE = (
    "one by id",
    "304",
    "page 1",
    "cursor in the middle",
    "one user's page",
    "page of 100",
    "page 1, one connection",
)
_COLUMNS = ("", "per second", "p50 ms", "p99 ms", "CPU µs server", "PostgreSQL")
# The usual way counts all rows for each page: at ten million it answers none in a second, so it has fewer.
_USUAL = (ONE, FIRST)


async def run(stage: Stage) -> Finding:
    finding = Finding("read")
    rows = QUICK_ROWS if stage.settings.quick else ROWS
    subjects, ids = await _subjects(stage, rows)
    shots, settings = _shots(ids), stage.settings
    loads = {
        (what, name): (subjects[name], shot, 1 if what == ALONE else CONNECTIONS)
        for what, many in shots.items()
        for name, shot in many.items()
    }
    found = await alternate(stage, loads, count=settings.turn_count, seconds=settings.turn_seconds)
    for what, many in shots.items():
        lines = [_line(name, found[what, name]) for name in many]
        finding.tables.append(Table(f"GET, {what}, {number(rows)} rows", _COLUMNS, lines))
        finding.figures[what] = plain({name: found[what, name] for name in many})
    stage.end(*(subject.server for subject in subjects.values()))
    _judge(finding, found)
    return finding


async def _subjects(stage: Stage, rows: int) -> tuple[dict[str, Subject], dict[str, list[UUID]]]:
    database, few, topics = await stage.database(), await stage.database(), await stage.topics()
    ids = {OURS: await _filled(stage, database, rows), USUAL: await _filled(stage, few, QUICK_ROWS)}
    subjects = [
        Subject(BARE, await stage.asgi("bare_reading", database, topics), database),
        Subject(USUAL, await stage.asgi("usual_reading", few, topics), few),
        Subject(OURS, await stage.gateway(database, topics), database),
    ]
    return {subject.name: subject for subject in subjects}, ids


async def _filled(stage: Stage, database: str, rows: int) -> list[UUID]:
    """Ids of the middle."""
    async with stage.connection(database) as connection:
        await fill(connection, rows)
        return await middle(connection, rows)


def _shots(ids: dict[str, list[UUID]]) -> dict[str, dict[str, Shot]]:
    one = {name: Shot("one", arguments=tuple(map(str, some))) for name, some in ids.items()}
    token = cursor.encode(cursor.Place(ids[OURS][0]), Search().filters)
    everywhere = (BARE, USUAL, OURS)
    return {
        ONE: {BARE: one[OURS], **one},
        SAME: {OURS: replace(one[OURS], header="If-None-Match: *")},
        FIRST: dict.fromkeys(everywhere, Shot("get", "/applications")),
        MIDDLE: {OURS: Shot("get", f"/applications?cursor={token}")},
        USER: {OURS: Shot("get", "/applications?user_name=user-000042")},
        HUNDRED: dict.fromkeys((BARE, OURS), Shot("get", "/applications?size=100")),
        ALONE: dict.fromkeys((OURS,), Shot("get", "/applications")),
    }


def _line(name: str, many: list[Round]) -> tuple[str, ...]:
    label = f"{name}, {number(QUICK_ROWS)} rows" if name == USUAL else name
    return (label, *map(str, (rates(many), p50(many), p99(many), cpu(many), cpu(many, "postgresql"))))


def _judge(finding: Finding, found: dict[tuple[str, str], list[Round]]) -> None:
    """What is compared, round by round: its turns came after each other."""

    def spent(what: str, name: str = OURS) -> Series:
        return cpu(found[what, name])

    def judge(budget: str, value: Series, *, most: float = 0, least: float = 0, unit: str = "times") -> None:
        met = value.median <= most if most else value.median >= least
        finding.judge(budget, f"{value} {unit}", met=met)

    judge("one by id: at least 5 000 a second", rates(found[ONE, OURS]), least=5_000, unit="a second")
    judge("one by id: CPU at most 2.5 times bytes from memory", spent(ONE).ratios(spent(ONE, BARE)), most=2.5)
    for what in _USUAL:
        judge(f"{what}: at least 10 times the usual way in CPU", spent(what, USUAL).ratios(spent(what)), least=10)
    judge("page 1: gateway at most 300 µs", spent(FIRST), most=300, unit="µs")
    judge("page 1: PostgreSQL at most 250 µs", cpu(found[FIRST, OURS], "postgresql"), most=250, unit="µs")
    for what in (MIDDLE, USER):
        judge(f"{what}: CPU within 1.3 times of page 1", spent(what).ratios(spent(FIRST)), most=1.3)
    judge("page of 100: CPU at most 2.5 times a page of 20", spent(HUNDRED).ratios(spent(FIRST)), most=2.5)
    judge("304: CPU at most that of one by id", spent(SAME).ratios(spent(ONE)), most=1.0)
    judge("page 1 on one connection: p50 at most 1 ms", p50(found[ALONE, OURS]), most=1.0, unit="ms")
