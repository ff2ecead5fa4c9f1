"""POST /applications: the gateway beside the usual way and beside the least that any service can do."""

from bench.findings import Finding, Table
from bench.load import DESCRIPTION, POST
from bench.rounds import COLUMNS, Round, Subject, alternate, cpu, p99, plain, rates, row
from bench.series import Series, number
from bench.stage import Stage

CONNECTIONS = (64, 256)
# "user-000000" and the description, as stored.
PAYLOAD_BYTES = 11 + DESCRIPTION

BARE, USUAL, ONE, TWO = "bare ASGI", "the usual way", "Headgate", "Headgate, 2 processes"


async def run(stage: Stage) -> Finding:
    finding = Finding("post")
    subjects, settings = await _subjects(stage), stage.settings
    for connections in CONNECTIONS[:1] if settings.quick else CONNECTIONS:
        loads = {subject.name: (subject, POST, connections) for subject in subjects}
        rounds = await alternate(stage, loads, count=settings.round_count, seconds=settings.load_seconds)
        title = f"POST /applications, {connections} connections"
        finding.tables.append(Table(title, COLUMNS, [row(name, many) for name, many in rounds.items()]))
        finding.figures[str(connections)] = plain(rounds)
        if connections == CONNECTIONS[0]:
            _judge(finding, rounds)
    stage.end(*(subject.server for subject in subjects))
    return finding


async def _subjects(stage: Stage) -> list[Subject]:
    subjects = []
    for name, baseline, processes in ((BARE, "bare_asgi", 0), (USUAL, "usual", 0), (ONE, "", 1), (TWO, "", 2)):
        database, topics = await stage.database(), await stage.topics()
        if baseline:
            server = await stage.asgi(baseline, database, topics)
        else:
            server = await stage.gateway(database, topics, gateway_processes=processes)
        subjects.append(Subject(name, server, database))
    return subjects


def _judge(finding: Finding, rounds: dict[str, list[Round]]) -> None:
    ours, bare, usual = rounds[ONE], rounds[BARE], rounds[USUAL]
    times = rates(ours).ratios(rates(usual))
    finding.judge("POST: at least 8 times the usual way", f"{times} times", met=times.median >= 8)
    share = rates(ours).ratios(rates(bare))
    finding.judge("POST: at least 45 % of a bare ASGI app", f"{share.median:.0%}", met=share.median >= 0.45)
    tail = p99(ours).ratios(p99(usual))
    finding.judge("POST: p99 at most a third of the usual way's", f"{tail} of it", met=tail.median <= 1 / 3)
    cost = cpu(ours).ratios(cpu(bare))
    finding.judge("POST: CPU of the gateway at most 2.2 times the bare app's", f"{cost} times", met=cost.median <= 2.2)
    wal = Series.of(each.wal_bytes - PAYLOAD_BYTES for each in ours)
    finding.judge("at most 400 bytes of WAL beyond the payload", number(wal.median), met=wal.median <= 400)
    versions = Series.of(each.row_versions for each in ours)
    finding.judge("at most 1.2 row versions for each application", f"{versions.median:.2f}", met=versions.median <= 1.2)
