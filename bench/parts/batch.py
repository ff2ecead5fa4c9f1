"""POST /applications/batch beside the single POST, and beside the bare pipeline behind both."""

from bench.baselines.outcome import Outcome
from bench.findings import Finding, Table
from bench.load import DESCRIPTION, POST, USERS, Shot
from bench.rounds import COLUMNS, Round, Subject, measure, plain, rates, row
from bench.series import Series
from bench.stage import Stage

ITEMS = 500
CONNECTIONS = 8
BATCH = Shot("batch", arguments=(USERS, DESCRIPTION, ITEMS))


async def run(stage: Stage) -> Finding:
    finding = Finding("batch")
    database, topics = await stage.database(), await stage.topics()
    server = await stage.gateway(database, topics)
    single, batch = Subject("single", server, database), Subject(f"batches of {ITEMS}", server, database, ITEMS)
    rounds: dict[str, list[Round]] = {single.name: [], batch.name: []}
    bare: list[Outcome] = []
    for _ in range(stage.settings.round_count):
        seconds = stage.settings.load_seconds
        rounds[single.name].append(await measure(stage, single, POST, connections=64, seconds=seconds))
        rounds[batch.name].append(await measure(stage, batch, BATCH, connections=CONNECTIONS, seconds=seconds))
        bare.append(await stage.outcome("bare_pipeline", [str(seconds), str(ITEMS)], await stage.database(), topics))
    stage.end(server)
    _tell(finding, rounds[single.name], rounds[batch.name], bare)
    finding.figures |= plain(rounds) | {"bare pipeline": [outcome.rate for outcome in bare]}
    return finding


def _tell(finding: Finding, single: list[Round], batch: list[Round], bare: list[Outcome]) -> None:
    pipeline = Series.of(outcome.rate for outcome in bare)
    spent = Series.of(outcome.cpu_us for outcome in bare)
    blank = ("",) * (len(COLUMNS) - 5)
    lines = [row("single POST", single), row(f"batches of {ITEMS}", batch)]
    lines.append(("bare pipeline", str(pipeline), "", "", str(spent), *blank))
    finding.tables.append(Table("POST /applications/batch, figures for one application", COLUMNS, lines))
    share = rates(batch).ratios(pipeline)
    finding.judge("batch: at least 60 % of the bare pipeline", f"{share.median:.0%}", met=share.median >= 0.6)
    times = rates(batch).ratios(rates(single))
    finding.judge("batch: at least 3 times the single POST", f"{times} times", met=times.median >= 3)
