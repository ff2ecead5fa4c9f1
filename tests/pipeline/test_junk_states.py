"""What somebody else writes to a changelog: no worker takes it for a state, and audit and doctor tell of it."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest
from typer.testing import CliRunner, Result

from cli.main import add_asked_for, app
from contracts import Topics
from runtime.kafka.clients import Kafka
from stream_workers.books.shelf import BOOKS
from stream_workers.books.states import journal_positions, metrics_totals
from stream_workers.errors import LaterVersionError
from stream_workers.exact.ledger import is_state, rank
from stream_workers.kafka.batches import state_key
from stream_workers.kinds import JOURNAL, KINDS, METRICS, Kind
from tests.integration.cli.test_audit import application, publish, store
from tests.pipeline.workers import WorkerProcess, environment
from tests.support.write_path import eventually, records

pytestmark = pytest.mark.timeout(300)

NO_STATES: tuple[bytes | None, ...] = (
    None,
    b"",
    b"\xff\x00junk",
    b"no JSON",
    b"[]",
    b"null",
    b"7",
    b"{}",
    b"[" * 100_000,
    b'{"edition":1000,"last_offset":1,"topic_id":"x"}',
    b'{"edition":1000,"last_offset":"1","topic_id":"x"}',
    b'{"version":1,"edition":1000,"last_offset":1,"topic_id":"x"}',
)
# States of former versions have none of it.
LATER = {"latencies"}
LIKE_OURS = ("text", None, 1.5, [1], {"1": "x"}, {"x": 1}, -(10**30))


def broken(kind: Kind) -> Iterator[bytes]:
    """States of a high rank with a part of another type, or without it."""
    book = BOOKS[kind.name]
    fields = orjson.loads(book.encode(book.fresh("topic", 0))) | {"edition": 1000, "last_offset": 3}
    for name in fields.keys() - {"newest_at", "consumed_at"}:
        if name not in LATER:
            yield json.dumps({other: value for other, value in fields.items() if other != name}).encode()
        for value in LIKE_OURS:
            if type(value) is not type(fields[name]) or value == {"1": "x"}:
                yield json.dumps(fields | {name: value}).encode()


@pytest.mark.parametrize("kind", KINDS.values(), ids=str)
def test_what_is_no_state_has_no_rank(kind: Kind) -> None:
    book = BOOKS[kind.name]
    defaults = set(orjson.loads(book.encode(book.fresh("topic", 0)))) if kind == JOURNAL else set()
    for value in (*NO_STATES, *broken(kind)):
        left_out = value and value.startswith(b"{") and defaults - orjson.loads(value).keys()
        if not left_out:  # a position takes what it lacks from its defaults
            assert value is None or rank(value) is None or not is_state(book, value), value
    assert is_state(book, book.encode(book.fresh("topic", 7)))


@pytest.mark.parametrize("kind", KINDS.values(), ids=str)
def test_a_state_of_a_later_version_is_one_and_says_so(kind: Kind) -> None:
    book = BOOKS[kind.name]
    value = orjson.dumps(orjson.loads(book.encode(book.fresh("topic", 7))) | {"version": 99})
    assert (rank(value), is_state(book, value)) == ((0, 6), True)
    with pytest.raises(LaterVersionError, match="version 99"):
        book.decode(value)


async def litter(kafka: Kafka, topics: Topics, kind: Kind) -> int:
    """Put it on partition 0 of the changelog, under the state's key and under another one; how much."""
    found = [*NO_STATES, *([] if kind == JOURNAL else list(broken(kind))[:40]), None]
    async with kafka.producer() as producer:
        for value in found:
            await producer.send_and_wait(kind.changelog(topics), value, key=state_key(0), partition=0)
        await producer.send_and_wait(kind.changelog(topics), b"{}", key=b"whose?", partition=0)
    return len(found) + 1


@pytest.fixture
async def workers(kafka: Kafka, topics: Topics, tmp_path: Path) -> AsyncIterator[list[WorkerProcess]]:
    both = [WorkerProcess(kind, environment(kafka, topics), tmp_path / f"{kind}.log") for kind in KINDS]
    yield both
    for worker in both:
        if worker.child is not None:
            worker.kill()


async def headgate(kafka: Kafka, topics: Topics, database_url: str, *words: str) -> Result:
    add_asked_for(list(words))
    env = environment(kafka, topics, DATABASE_URL=database_url)
    return await asyncio.to_thread(CliRunner().invoke, app, words, env=env)


async def test_audit_doctor_and_view_go_on_and_the_worker_writes_its_state_again(
    kafka: Kafka, topics: Topics, database_url: str, workers: list[WorkerProcess]
) -> None:
    applications = [application(number) for number in range(40)]
    await store(database_url, applications)
    await publish(kafka, topics, applications)

    async def all_booked() -> bool:
        counted = sum(total.counted for total in (await metrics_totals(kafka, topics)).values())
        logged = sum(position.logged for position in (await journal_positions(kafka, topics)).values())
        return counted == logged == len(applications)

    for worker in workers:
        worker.start()
    await eventually(all_booked, what="counting and logging", seconds=120)
    counts = {kind: await litter(kafka, topics, kind) for kind in KINDS.values()}

    async def written_again() -> bool:
        """Compaction would leave what came last."""
        newest = [
            [record for record in await records(kafka, kind.changelog(topics)) if record.key == state_key(0)][-1]
            for kind in KINDS.values()
        ]
        pairs = zip(newest, KINDS, strict=True)
        return all(
            record.value and rank(record.value) and is_state(BOOKS[kind], record.value) for record, kind in pairs
        )

    await eventually(written_again, what="the state written again")
    assert all(worker.running for worker in workers)
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{workers[0].web_port}", timeout=60) as client:
        for path in ("/", "/tables?q=total", "/tables/counters/0", "/agents", "/api/metrics", "/metrics"):
            assert (await client.get(path)).status_code == 200, path
    audited = await headgate(kafka, topics, database_url, "audit")
    assert (audited.exit_code, audited.stdout.startswith("40 applications compared, all well")) == (0, True)
    doctor = await headgate(kafka, topics, database_url, "doctor", "--json")
    findings: dict[str, dict[str, Any]] = {each["what"]: each for each in json.loads(doctor.stdout)}
    for kind, count in counts.items():
        said = f"{kind.changelog(topics)}: {count} records are no states"
        assert sum(said in line for line in audited.stdout.splitlines()) == 1
        assert said in findings[f"states of {kind}"]["found"]
        assert findings[f"states of {kind}"]["status"] == "warning"
        assert findings[f"{kind} worker"]["status"] == "ok"
    assert findings["counting"]["found"].startswith("40 counted")

    for worker in workers:
        assert await asyncio.to_thread(worker.stop) == 0
        worker.start()
    more = [application(100 + number) for number in range(10)]
    await store(database_url, more)
    await publish(kafka, topics, more)
    applications += more
    await eventually(all_booked, what="counting after a new start", seconds=120)


async def test_states_of_a_later_version_are_said_in_one_line(kafka: Kafka, topics: Topics, database_url: str) -> None:
    state = BOOKS[METRICS.name].fresh("topic", 0)
    later = orjson.dumps(orjson.loads(BOOKS[METRICS.name].encode(state)) | {"version": 99})
    async with kafka.producer() as producer:
        await producer.send_and_wait(METRICS.changelog(topics), later, key=state_key(0), partition=0)
    doctor = await headgate(kafka, topics, database_url, "doctor", "--json")
    findings = {each["what"]: each for each in json.loads(doctor.stdout)}
    assert "version 99" in findings["workers"]["found"]
    audited = await headgate(kafka, topics, database_url, "audit")
    assert "version 99" in str(audited.exception)
    assert "\n" not in str(audited.exception)
