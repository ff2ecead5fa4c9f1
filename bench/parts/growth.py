"""What one application costs as users, rows and partitions grow by ten and by a hundred."""

from bench.findings import Finding, Table
from bench.load import DESCRIPTION, POST, Shot, fire
from bench.parts.workers import filled, worker_outcome
from bench.rounds import COLUMNS, Subject, measure, plain, row
from bench.rows import fill
from bench.series import number
from bench.stage import Stage
from stream_workers.kinds import METRICS

USERS = (1_000, 10_000, 100_000)
ROWS, QUICK_ROWS = (0, 1_000_000, 10_000_000), (0, 30_000, 300_000)
PARTITIONS = (4, 40, 400)
EVENTS, QUICK_EVENTS = 300_000, 60_000


async def run(stage: Stage) -> Finding:
    finding = Finding("growth")
    rows = QUICK_ROWS if stage.settings.quick else ROWS
    shots = {f"{users:,} users": Shot("post", arguments=(users, DESCRIPTION)) for users in USERS}
    lines = [await _posts(stage, finding, name, shot=shot) for name, shot in shots.items()]
    lines += [await _posts(stage, finding, f"{count:,} rows", rows=count) for count in rows]
    lines += [await _posts(stage, finding, f"{count} partitions", partitions=count) for count in PARTITIONS]
    finding.tables.append(Table("POST /applications as things grow, 64 connections", COLUMNS, lines))
    await _workers(stage, finding)
    return finding


async def _posts(
    stage: Stage, finding: Finding, name: str, *, shot: Shot = POST, rows: int = 0, partitions: int = 4
) -> tuple[str, ...]:
    database, topics = await stage.database(), await stage.topics(partitions)
    if rows:
        async with stage.connection(database) as connection:
            await fill(connection, rows)
    gateway = await stage.gateway(database, topics)
    subject = Subject(name, gateway, database)
    await fire(gateway.address, shot, connections=64, seconds=2)
    seconds = stage.settings.load_seconds
    rounds = [await measure(stage, subject, shot, connections=64, seconds=seconds) for _ in range(2)]
    stage.end(gateway)
    finding.figures |= plain({name: rounds})
    return row(name, rounds)


async def _workers(stage: Stage, finding: Finding) -> None:
    """The metrics worker over the same growth; its state holds sketches of users, one for each partition."""
    events = QUICK_EVENTS if stage.settings.quick else EVENTS
    lines = [await _counted(stage, f"{users:,} users", events, users=users) for users in USERS]
    lines += [await _counted(stage, f"{count} partitions", events, partitions=count) for count in PARTITIONS[:2]]
    columns = ("", "events per second", "CPU µs for each")
    finding.tables.append(Table("Metrics worker as things grow", columns, lines))


async def _counted(
    stage: Stage, name: str, events: int, *, users: int | None = None, partitions: int = 4
) -> tuple[str, ...]:
    topics = await filled(stage, events, partitions=partitions, users=users)
    outcome = await worker_outcome(stage, METRICS, topics, events, partitions=partitions)
    return name, number(outcome.rate), number(outcome.cpu_us)
