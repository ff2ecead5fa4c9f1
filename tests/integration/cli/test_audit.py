"""`headgate audit` finds what is missing, double or different, and nothing else."""

import asyncio
import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import count
from subprocess import CompletedProcess
from uuid import UUID

import asyncpg
import pytest

from cli.audit import compare
from cli.audit.audit import Audit, audit
from contracts import REPLAYED_HEADER, Application, Topics, to_headers, to_key
from runtime.kafka.clients import Kafka
from stream_workers.books.journal import Position, position_to_json
from stream_workers.books.repair import write_states
from stream_workers.kafka.broker import Broker
from stream_workers.kafka.reader import bounds
from stream_workers.kinds import JOURNAL
from tests.records import to_value
from tests.support import forked
from tests.support.write_path import execute, settings_for

HOUR_AGO = datetime.now(UTC) - timedelta(hours=1)


def application(number: int, *, description: str = "a boat", at: datetime = HOUR_AGO) -> Application:
    milliseconds = int(at.timestamp() * 1000) + number
    return Application(
        id=UUID(int=milliseconds << 80 | 7 << 76 | 2 << 62 | number),
        user_name=f"user {number % 7}",
        description=description,
        created_at=datetime.fromtimestamp(milliseconds / 1000, UTC),
    )


async def store(database_url: str, applications: list[Application], *, in_outbox: bool = False) -> None:
    connection = await asyncpg.connect(database_url.replace("+asyncpg", ""))
    try:
        values = [(each.id, each.user_name, each.description, each.created_at) for each in applications]
        await connection.executemany("INSERT INTO applications VALUES ($1, $2, $3, $4)", values)
        if in_outbox:
            ids = [each.id for each in applications]
            await connection.execute(
                "INSERT INTO outbox (id, lease, ids, positions) VALUES ($1, $1, $2, '{}')", ids[0], ids
            )
    finally:
        await connection.close()


async def publish(kafka: Kafka, topics: Topics, applications: list[Application], *, replayed: bool = False) -> None:
    async with kafka.producer(acks="all") as producer:
        for each in applications:
            headers = to_headers(id=each.id, created_at=each.created_at)
            await producer.send_and_wait(
                topics.applications,
                to_value(**dict(each)),
                key=to_key(each.user_name),
                headers=[*headers, (REPLAYED_HEADER, b"1")] if replayed else headers,
            )


@pytest.fixture(autouse=True)
def small_ranges(monkeypatch: pytest.MonkeyPatch) -> None:
    """Several ranges and several groups of them, with few rows."""
    monkeypatch.setattr(compare, "ROWS_IN_RANGE", 10)
    monkeypatch.setattr("cli.audit.audit.RANGES_AT_ONCE", 2)
    monkeypatch.setattr("cli.audit.sides.PAGE", 7)


async def headgate(database_url: str, kafka: Kafka, topics: Topics, *words: str) -> CompletedProcess[str]:
    """A command of `headgate` that knows these servers."""
    environment = {
        "DATABASE_URL": database_url,
        "KAFKA_BOOTSTRAP_SERVERS": kafka.bootstrap_servers,
        "KAFKA_PREFIX": topics.prefix,
    }
    return await asyncio.to_thread(forked.headgate, *words, env=environment)


async def audited(database_url: str, kafka: Kafka, topics: Topics) -> Audit:
    return await audit(settings_for(database_url, kafka, topics), lambda _, __: None)


async def test_equal_sides_have_no_drift(database_url: str, kafka: Kafka, topics: Topics) -> None:
    applications = [application(number) for number in range(100)]
    await store(database_url, applications)
    await publish(kafka, topics, applications)
    found = await audited(database_url, kafka, topics)
    assert found.drift == 0
    assert (found.differences.rows, found.differences.events) == (100, 100)


async def test_nothing_at_all_is_no_drift_and_no_comparison(database_url: str, kafka: Kafka, topics: Topics) -> None:
    found = await audited(database_url, kafka, topics)
    assert (found.drift, found.compared) == (0, False)
    assert found.verdict == "nothing could be compared: no application in PostgreSQL that the topic could hold"


async def test_what_was_accepted_a_moment_ago_is_judged(database_url: str, kafka: Kafka, topics: Topics) -> None:
    """No outbox holds it any more, so it was confirmed; only an event without a row may be too young."""
    applications = [application(number, at=datetime.now(UTC)) for number in range(5)]
    await store(database_url, applications[:4])
    await publish(kafka, topics, [*applications[:3], applications[4]])
    found = await audited(database_url, kafka, topics)
    differences = found.differences
    assert (differences.rows, differences.events, differences.missing) == (4, 3, 1)
    assert (differences.foreign, differences.outside) == (0, 1)
    assert found.verdict == "4 applications compared, 1 missing"


async def test_each_difference_is_found_and_named(database_url: str, kafka: Kafka, topics: Topics) -> None:
    applications = [application(number) for number in range(100)]
    await store(database_url, applications)
    published = [*applications[:20], *applications[23:], applications[40], applications[90], applications[90]]
    published[50] = applications[53].model_copy(update={"description": "another boat"})
    await publish(kafka, topics, published)
    found = await audited(database_url, kafka, topics)
    differences = found.differences
    assert (differences.missing, differences.duplicate, differences.differing) == (3, 3, 1)
    assert found.drift == 7
    assert {("missing", applications[number].id.int) for number in (20, 21, 22)} < set(differences.examples)


async def test_what_is_no_drift_is_named(database_url: str, kafka: Kafka, topics: Topics) -> None:
    applications = [application(number) for number in range(30)]
    await store(database_url, applications[:-5])
    await store(database_url, applications[-5:], in_outbox=True)
    await publish(kafka, topics, applications[:-3])
    await publish(kafka, topics, applications[:4], replayed=True)
    rowless = application(12_345, at=HOUR_AGO + timedelta(seconds=1))
    await publish(kafka, topics, [rowless])
    young = application(1, at=datetime.now(UTC))
    await publish(kafka, topics, [young])
    async with kafka.producer() as producer:
        await producer.send_and_wait(topics.applications, b"not JSON")
    found = await audited(database_url, kafka, topics)
    differences = found.differences
    assert found.drift == 0
    assert (differences.rows, found.held) == (25, 5)
    assert (differences.foreign, differences.replayed, differences.dead, differences.outside) == (1, 4, 1, 3)
    assert found.to_fields()["examples"] == [f"foreign {rowless.id}"]


async def test_a_long_backlog_ends_the_range_where_it_begins(
    database_url: str, kafka: Kafka, topics: Topics, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cli.audit.sides.HELD_MAX", 3)
    applications = [application(number) for number in range(30)]
    await store(database_url, applications[:20])
    await store(database_url, applications[20:], in_outbox=True)
    await publish(kafka, topics, applications[:22])
    found = await audited(database_url, kafka, topics)
    assert (found.drift, found.differences.rows, found.differences.events) == (0, 20, 20)


async def test_the_command_says_it_in_json_and_by_its_exit_code(
    database_url: str, kafka: Kafka, topics: Topics
) -> None:
    applications = [application(number) for number in range(10)]
    await store(database_url, applications)
    await publish(kafka, topics, applications[1:])
    done = await headgate(database_url, kafka, topics, "audit", "--json")
    document = json.loads(done.stdout)
    assert done.returncode == 1, done.stderr
    assert {name: document[name] for name in ("rows", "events", "missing", "duplicate", "differing", "drift")} == {
        "rows": 10,
        "events": 9,
        "missing": 1,
        "duplicate": 0,
        "differing": 0,
        "drift": 1,
    }
    assert document["metrics"] is None
    await publish(kafka, topics, applications[:1])
    for statement, code, first_line in (
        ("SELECT 1", 0, "10 applications compared, all well"),
        ("DELETE FROM applications", 3, "nothing could be compared"),
    ):
        await execute(database_url, statement)
        done = await headgate(database_url, kafka, topics, "audit")
        assert done.returncode == code, done.stderr
        assert done.stdout.startswith(first_line)


async def test_both_workers_books_are_held_against_the_topic(database_url: str, kafka: Kafka, topics: Topics) -> None:
    """Lag is no drift, nor is what was booked as missing or was gone before the first look; lost books are."""
    applications = [application(number) for number in range(100)]
    await store(database_url, applications)
    await publish(kafka, topics, applications)
    assert (await audited(database_url, kafka, topics)).to_fields()["journal"] is None
    stretches = await bounds(kafka, topics.applications)
    async with await Broker.connected(kafka) as broker:
        topic_id = await broker.known_topic_id(topics.applications)
    whole = {
        partition: Position(topic_id=topic_id, first=0, last_offset=end - 1, logged=end)
        for partition, (_, end) in stretches.items()
    }
    busy = max(whole, key=lambda partition: whole[partition].logged)
    end = whole[busy].logged

    editions = count(1)

    async def journal(position: Position) -> dict[str, int]:
        """What the audit says of the journal with this position on one partition, above all that stood there before."""
        edition = next(editions)
        values = {p: replace(held, edition=edition) for p, held in (whole | {busy: position}).items()}
        written = {partition: position_to_json(held) for partition, held in values.items()}
        await write_states(kafka, JOURNAL.changelog(topics), written)
        found = await audited(database_url, kafka, topics)
        books: dict[str, int] = found.to_fields()["journal"]
        assert found.drift == books["drift"]
        return books

    full = {"logged": 100, "unreadable": 0, "missing": 0, "empty": 0, "before_first": 0, "behind": 0, "drift": 0}
    assert await journal(whole[busy]) == full
    behind = replace(whole[busy], last_offset=end - 4, logged=end - 3)
    assert await journal(behind) == full | {"logged": 97, "behind": 3}
    assert await journal(replace(whole[busy], logged=end - 2, missing=2)) == full | {"logged": 98, "missing": 2}
    assert await journal(replace(whole[busy], logged=end - 2)) == full | {"logged": 98, "drift": 2}
    headless = replace(whole[busy], first=2, logged=end - 2)
    of_another = replace(whole[busy], topic_id="another")
    assert await journal(of_another) == full | {"logged": 100 - end, "behind": end, "drift": end}
    assert await journal(headless) == full | {"logged": 98, "before_first": 2, "drift": 2}
