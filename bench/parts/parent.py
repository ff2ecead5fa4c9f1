"""This checkout beside another one (PARENT), in turns: has a change cost anything?"""

from collections.abc import Mapping
from pathlib import Path

from bench.baselines.outcome import Outcome
from bench.findings import Finding, Table
from bench.load import POST, Shot
from bench.parts.batch import BATCH, CONNECTIONS, ITEMS
from bench.parts.workers import EVENTS, QUICK_EVENTS, filled, worker_outcome
from bench.rounds import COLUMNS, Subject, alternate, cpu, plain, row
from bench.rows import fill, middle
from bench.series import Series
from bench.stage import Stage
from stream_workers.kinds import KINDS, Kind

WITHIN = 1.02
_ROWS, _READERS = 100_000, 16
_OURS, _PARENT = "this one", "parent"


async def run(stage: Stage) -> Finding:
    finding = Finding("parent")
    tree = stage.settings.parent
    if tree is None:
        raise ValueError("PARENT must name the folder of another checkout")
    trees = {_OURS: None, _PARENT: tree}
    for title, shot, items, connections in (("POST", POST, 1, 64), ("batch", BATCH, ITEMS, CONNECTIONS)):
        subjects = [await _subject(stage, name, tree, items=items) for name, tree in trees.items()]
        await _compare(stage, finding, title, {each.name: (each, shot, connections) for each in subjects})
        stage.end(*(subject.server for subject in subjects))
    await _reads(stage, finding, trees)
    for kind in KINDS.values():
        await _worker(stage, finding, kind, trees)
    return finding


async def _subject(stage: Stage, name: str, tree: Path | None, *, items: int) -> Subject:
    database = await stage.database()
    return Subject(name, await stage.gateway(database, await stage.topics(), name, tree=tree), database, items)


async def _reads(stage: Stage, finding: Finding, trees: dict[str, Path | None]) -> None:
    """Both read the same rows."""
    database, topics = await stage.database(), await stage.topics()
    async with stage.connection(database) as connection:
        await fill(connection, _ROWS)
        ids = await middle(connection, _ROWS)
    gateways = {name: await stage.gateway(database, topics, name, tree=tree) for name, tree in trees.items()}
    subjects = [Subject(name, gateway, database) for name, gateway in gateways.items()]
    one, page = Shot("one", arguments=tuple(map(str, ids))), Shot("get", "/applications")
    for title, shot in (("one by id", one), ("page 1", page)):
        await _compare(stage, finding, title, {each.name: (each, shot, _READERS) for each in subjects})
    stage.end(*gateways.values())


async def _compare(stage: Stage, finding: Finding, title: str, loads: Mapping[str, tuple[Subject, Shot, int]]) -> None:
    settings = stage.settings
    rounds = await alternate(stage, loads, count=settings.turn_count, seconds=settings.turn_seconds)
    finding.tables.append(Table(title, COLUMNS, [row(name, many) for name, many in rounds.items()]))
    finding.figures[title] = plain(rounds)
    _judge(finding, title, cpu(rounds[_OURS]), cpu(rounds[_PARENT]))


async def _worker(stage: Stage, finding: Finding, kind: Kind, trees: dict[str, Path | None]) -> None:
    events = QUICK_EVENTS if stage.settings.quick else EVENTS
    found: dict[str, list[Outcome]] = {name: [] for name in trees}
    for number in range(stage.settings.round_count):
        for name, tree in list(trees.items())[:: -1 if number % 2 else 1]:
            topics = await filled(stage, events)
            found[name].append(await worker_outcome(stage, kind, topics, events, tree=tree))
    spent = {name: Series.of(each.cpu_us for each in many) for name, many in found.items()}
    rates = {name: Series.of(each.rate for each in many) for name, many in found.items()}
    lines = [(name, str(rates[name]), str(spent[name])) for name in trees]
    finding.tables.append(Table(f"worker {kind}", ("", "events per second", "CPU µs for each"), lines))
    _judge(finding, f"worker {kind}", spent[_OURS], spent[_PARENT])


def _judge(finding: Finding, what: str, ours: Series, parent: Series) -> None:
    """Round by round: what came one after the other had the same machine."""
    share = ours.ratios(parent)
    finding.judge(f"{what}: CPU within 2 % of the parent's", f"{share} times", met=share.median <= WITHIN)
