"""What people do about the counters: dead letters, replays, holes, rebuilds and traces, on real services."""

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

import pytest
import uuid_utils.compat as uuids
from aiokafka.admin import RecordsToDelete
from aiokafka.structs import TopicPartition
from sqlalchemy.ext.asyncio import create_async_engine
from typer.testing import CliRunner, Result

from cli.audit.replay import Choice, pages, publish
from cli.errors import CommandError
from cli.main import app
from cli.topics.admin import admin
from contracts import Topics
from gateway.database.tables import applications, outbox
from runtime.kafka.clients import Kafka
from stream_workers.books.repair import rebuild_counters, write_states
from stream_workers.books.state import fresh, from_json, to_json
from stream_workers.books.states import Totals, journal_positions, metrics_totals, read_states
from stream_workers.kafka.broker import Broker
from stream_workers.kinds import METRICS
from stream_workers.letters.letters import read_letters
from tests.pipeline.workers import WorkerProcess, drift, environment, produce, until_booked
from tests.records import POISON, bad, good
from tests.support.commands import ROOT, add_all

pytestmark = pytest.mark.timeout(300)


@dataclass
class Stack:
    """Topics, a database, and one metrics worker that a test may stop and start."""

    kafka: Kafka
    topics: Topics
    database_url: str
    worker: WorkerProcess

    async def headgate(self, *args: str) -> Result:
        """One command in this process: a start of Python for each would take longer than all of the tests."""
        env = environment(self.kafka, self.topics, DATABASE_URL=self.database_url)
        return await asyncio.to_thread(CliRunner().invoke, app, args, env=env)

    async def told(self, *args: str) -> str:
        """The output of a command that must succeed."""
        ended = await self.headgate(*args)
        assert ended.exit_code == 0, (ended.output, ended.exception)
        return str(ended.stdout)

    async def refused(self, *args: str) -> CommandError:
        """Why a command that must fail did."""
        ended = await self.headgate(*args)
        assert isinstance(ended.exception, CommandError), ended.output
        return ended.exception

    async def booked(self, count: int) -> dict[int, Totals]:
        return await until_booked(self.kafka, self.topics, count, [self.worker] if self.worker.child else [])

    async def send(self, records: Sequence[object], partition: int = 0) -> None:
        producer = self.kafka.producer(acks="all")
        await producer.start()
        try:
            for record in records:
                await producer.send_and_wait(
                    self.topics.applications,
                    record.value,  # type: ignore[attr-defined]
                    key=record.key,  # type: ignore[attr-defined]
                    headers=list(record.headers),  # type: ignore[attr-defined]
                    partition=partition,
                )
        finally:
            await producer.stop()

    async def accept(self, count: int, *, age: timedelta = timedelta(minutes=5)) -> list[UUID]:
        """Rows as the gateway writes them, accepted some time ago, and on no topic."""
        rows = []
        for number in range(count):
            made = datetime.now(UTC) - age + timedelta(milliseconds=number)
            id_ = UUID(int=(int(made.timestamp() * 1000) << 80) | (uuids.uuid7().int & ((1 << 80) - 1)))
            created_at = datetime.fromtimestamp((id_.int >> 80) / 1000, UTC)
            rows.append({"id": id_, "user_name": "ada", "description": "a boat", "created_at": created_at})
        engine = create_async_engine(self.database_url)
        async with engine.begin() as connection:
            await connection.execute(applications.insert(), rows)
        await engine.dispose()
        return [row["id"] for row in rows]  # type: ignore[misc]


@pytest.fixture(scope="module", autouse=True)
def every_command() -> None:
    """Commands that live elsewhere are imported when asked for on the command line; here they are all there."""
    add_all()


@pytest.fixture
async def stack(kafka: Kafka, topics: Topics, database_url: str, tmp_path: Path) -> AsyncIterator[Stack]:
    worker = WorkerProcess("metrics", environment(kafka, topics), tmp_path / "metrics.log")
    yield Stack(kafka, topics, database_url, worker)
    if worker.child is not None:
        worker.kill()


async def test_bad_events_become_dead_letters_once_and_come_back_on_request(stack: Stack) -> None:
    """A redrive sends what can be read now, each letter once, also when it is asked for twice."""
    readable = good(0, user_name="ada")
    await stack.send([record for _, record in POISON])
    stack.worker.start()
    totals = await stack.booked(len(POISON))
    assert sum(t.dead for t in totals.values()) == len(POISON)
    letters = await read_letters(stack.kafka, stack.topics)
    assert [letter.dead.reason for letter in letters] == [reason for reason, _ in POISON]
    assert [letter.dead.value for letter in letters] == [record.value for _, record in POISON]
    listed = [json.loads(line) for line in (await stack.told("dead-letters", "list", "--json")).splitlines()]
    assert [(one["partition"], one["offset"]) for one in listed] == [(0, offset) for offset in range(len(POISON))]
    assert "tombstone" in await stack.told("dead-letters", "show", "0/0")
    for command in ("show", "redrive --origin"):
        refused = await stack.refused("dead-letters", *command.split(), "0/99")
        assert "there is no dead letter from 0/99" in str(refused)
    told = await stack.told("dead-letters", "redrive")
    assert f"{len(POISON)} would be dead letters again" in told
    assert "1 redriven" in await stack.told("dead-letters", "redrive", "--unreadable", "--origin", "0/3")
    assert "0 redriven" in await stack.told("dead-letters", "redrive", "--unreadable", "--origin", "0/3")
    await stack.send([readable])
    totals = await stack.booked(len(POISON) + 2)
    assert sum(t.dead for t in totals.values()) == len(POISON) + 1
    assert drift(totals, 1) == []


async def test_a_flood_of_bad_events_stops_the_worker_until_somebody_decides(stack: Stack) -> None:
    await stack.send([bad(offset) for offset in range(600)])
    stack.worker.start()
    child = stack.worker.child
    assert child is not None
    assert await asyncio.to_thread(child.process.wait, 60) == 3
    assert "dead-letters release" in child.output()
    totals = await metrics_totals(stack.kafka, stack.topics)
    assert (totals[0].dead, totals[0].last) == (500, 499)
    assert len(await read_letters(stack.kafka, stack.topics)) == 500
    assert "released on partitions [0]" in await stack.told("dead-letters", "release")
    stack.worker.start()
    totals = await stack.booked(600)
    assert (totals[0].dead, totals[0].last) == (600, 599)


async def test_a_hole_stops_the_worker_until_it_is_booked_as_missing(stack: Stack) -> None:
    ids = await produce(stack.kafka, stack.topics, 200)
    stack.worker.start()
    before = await stack.booked(len(ids))
    assert await asyncio.to_thread(stack.worker.stop) == 0
    ids += await produce(stack.kafka, stack.topics, 200)
    partition, lost = next(iter(before)), 3
    await _delete(stack, partition, before[partition].last + 1 + lost)
    stack.worker.start()
    child = stack.worker.child
    assert child is not None
    assert await asyncio.to_thread(child.process.wait, 60) == 3
    assert "book-missing" in child.output()
    last = before[partition].last
    told = await stack.told("metrics", "book-missing", "--partition", str(partition))
    assert f"offsets {last + 1} to {last + lost}" in told
    stack.worker.start()
    totals = await stack.booked(len(ids))
    assert totals[partition].missing == lost
    assert drift(totals, len(ids) - lost) == []


async def test_a_silent_broker_makes_no_hole(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    """What nobody answered is not known; what the log's start says is."""
    await stack.send([good(offset) for offset in range(30)])
    async with await Broker.connected(stack.kafka) as broker:
        id_ = await broker.known_topic_id(stack.topics.applications)
    await write_states(stack.kafka, METRICS.changelog(stack.topics), {0: to_json(fresh(id_, 0))})

    async def silence(*_: object) -> None:
        return None

    monkeypatch.setattr(Broker, "record_from", silence)
    said = ""
    while "did not say" not in said:  # a broker without any group yet does not know at once who is in it
        said = str(await stack.refused("metrics", "book-missing", "--partition", "0"))
    assert (await metrics_totals(stack.kafka, stack.topics))[0].missing == 0
    await _delete(stack, 0, 30)
    assert "offsets 0 to 29" in await stack.told("metrics", "book-missing", "--partition", "0")


async def test_without_its_topic_nothing_is_concluded(stack: Stack) -> None:
    """No topic is no empty one: every row would be missing, and a rebuild would start from a state of nobody."""
    await stack.accept(3)
    async with admin(stack.kafka) as client:
        await client.delete_topics([stack.topics.applications])
    async with await Broker.connected(stack.kafka) as broker, asyncio.timeout(60):
        while await broker.partitions(stack.topics.applications):  # noqa: ASYNC110 -- another process
            await asyncio.sleep(0.1)
    for words in (("audit",), ("replay", "--missing"), ("metrics", "rebuild", "--yes")):
        assert "Kafka knows no topic" in str(await stack.refused(*words))


async def test_a_topic_that_lost_its_head_is_counted_from_where_it_begins(stack: Stack) -> None:
    ids = await produce(stack.kafka, stack.topics, 400)
    await _delete(stack, 0, 20)
    stack.worker.start()
    totals = await stack.booked(len(ids) - 20)
    assert totals[0].first == 20
    assert drift(totals, len(ids) - 20) == []


async def test_a_rebuild_takes_over_from_the_running_worker(stack: Stack) -> None:
    """Beside it, while events go on coming; then the new states hold, and the worker counts on from them."""
    ids = await produce(stack.kafka, stack.topics, 2_000)
    stack.worker.start()
    await stack.booked(len(ids))
    producing = asyncio.create_task(produce(stack.kafka, stack.topics, 2_000, rate=400, seed=2))
    await stack.told("metrics", "rebuild", "--yes")
    ids += await producing
    totals = await stack.booked(len(ids))
    assert drift(totals, len(ids)) == []
    assert stack.worker.running
    states = await read_states(stack.kafka, stack.topics, METRICS)
    assert {from_json(value).edition for value in states.values.values()} == {1}


async def test_a_rebuild_tells_how_far_it_is(stack: Stack) -> None:
    ids = await produce(stack.kafka, stack.topics, 3_000)
    told: list[tuple[int, int]] = []
    states = await rebuild_counters(stack.kafka, stack.topics, progress=lambda done, size: told.append((done, size)))
    assert sum(state.total for state in states.values()) == len(ids)
    assert len(told) > 1
    assert told == sorted(told)
    assert told[-1] == (len(ids), len(ids))


async def test_a_worker_counts_on_from_a_state_of_the_version_before(stack: Stack) -> None:
    await stack.send([good(offset) for offset in range(60)])
    fields = json.loads((ROOT / "tests/unit/stream_workers/books/state_v1.json").read_bytes())
    booked = fields["last_offset"] - fields["first"] + 1
    async with await Broker.connected(stack.kafka) as broker:
        fields |= {"topic_id": await broker.topic_id(stack.topics.applications), "first": 0, "last_offset": booked - 1}
    await write_states(stack.kafka, METRICS.changelog(stack.topics), {0: json.dumps(fields).encode()})
    stack.worker.start()
    totals = await stack.booked(60)
    assert drift(totals, fields["total"] + 60 - booked) == []
    assert (totals[0].dead, totals[0].replayed) == (fields["dead"], fields["replayed"])


async def test_a_recreated_topic_is_not_taken_for_the_old_one(stack: Stack) -> None:
    ids = await produce(stack.kafka, stack.topics, 300)
    stack.worker.start()
    await stack.booked(len(ids))
    assert await asyncio.to_thread(stack.worker.stop) == 0
    async with admin(stack.kafka) as client:
        await client.delete_topics([stack.topics.applications])
    await stack.told("topics", "create")
    stack.worker.start()
    child = stack.worker.child
    assert child is not None
    assert await asyncio.to_thread(child.process.wait, 60) == 3
    assert "metrics rebuild" in child.output()
    await stack.told("metrics", "rebuild", "--yes")
    ids = await produce(stack.kafka, stack.topics, 100)
    stack.worker.start()
    assert drift(await stack.booked(len(ids)), len(ids)) == []


async def test_what_is_missing_is_published_once_and_counted(stack: Stack) -> None:
    accepted = await stack.accept(50)
    assert "50 would be published" in await stack.told("replay", "--missing", "--dry-run")
    assert "50 published" in await stack.told("replay", "--missing")
    assert "0 published" in await stack.told("replay", "--missing")
    stack.worker.start()
    assert drift(await stack.booked(50), len(accepted)) == []


async def test_what_a_gateway_holds_is_left_to_it(stack: Stack) -> None:
    held, free = (await stack.accept(2))[:2]
    engine = create_async_engine(stack.database_url)
    async with engine.begin() as connection:
        await connection.execute(
            outbox.insert(), [{"id": uuids.uuid7(), "lease": uuids.uuid7(), "ids": [held], "positions": {}}]
        )
    await engine.dispose()
    assert "1 published" in await stack.told("replay", "--missing")
    for how in ("--missing", "--again"):
        assert "outbox" in str(await stack.refused("replay", how, "--id", str(held)))
    assert "1 published, 1 left out" in await stack.told("replay", "--again", "--since", "2020-01-01")
    way = json.loads(await stack.told("trace", str(held), "--json"))
    assert (way["waiting"], way["published"]) == (True, [])
    assert json.loads(await stack.told("trace", str(free), "--json"))["published"]


async def test_a_replay_on_purpose_is_marked_and_not_counted_twice(stack: Stack) -> None:
    accepted = await stack.accept(20)
    await stack.told("replay", "--missing")
    assert "20 published" in await stack.told("replay", "--again", "--since", "2020-01-01", "--rate", "100")
    assert "1 published" in await stack.told("replay", "--again", "--id", str(accepted[0]))
    stack.worker.start()
    totals = await stack.booked(41)
    assert sum(t.replayed for t in totals.values()) == 21
    assert drift(totals, 20) == []


async def test_a_replay_does_not_stand_for_the_event_itself(stack: Stack) -> None:
    await stack.accept(3)
    assert "3 published" in await stack.told("replay", "--again", "--since", "2020-01-01")
    assert "3 published" in await stack.told("replay", "--missing")
    assert "0 published" in await stack.told("replay", "--missing")


async def test_a_slow_rate_is_kept_from_the_first_event_on(stack: Stack) -> None:
    """Each is sent by itself: less than one a second is no reason to send a page at once."""
    ids = await stack.accept(3)
    engine = create_async_engine(stack.database_url, isolation_level="AUTOCOMMIT")
    async with engine.connect() as connection:
        chosen = pages(connection, Choice(), first=0, last=ids[-1].int)
        sent = [len(part) async for part in publish(stack.kafka, stack.topics, chosen, again=True, rate=0.9)]
    await engine.dispose()
    assert sent == [1, 1, 1]


async def test_a_trace_shows_every_stage(stack: Stack, tmp_path: Path) -> None:
    (id_,) = await stack.accept(1)
    await stack.told("replay", "--missing")
    journal = WorkerProcess("journal", environment(stack.kafka, stack.topics), tmp_path / "journal.log")
    stack.worker.start()
    journal.start()
    try:
        await stack.booked(1)
        async with asyncio.timeout(60):
            while not await journal_positions(stack.kafka, stack.topics):  # noqa: ASYNC110 -- another process
                await asyncio.sleep(0.2)
        way = json.loads(await stack.told("trace", str(id_), "--json"))
    finally:
        journal.kill()
    assert way["accepted"]
    assert (way["journaled"], way["counted"], len(way["published"])) == (True, True, 1)
    await stack.refused("trace", str(uuids.uuid7()))


async def _delete(stack: Stack, partition: int, before: int) -> None:
    """As retention does it: the log starts later now."""
    async with admin(stack.kafka) as client:
        await client.delete_records({TopicPartition(stack.topics.applications, partition): RecordsToDelete(before)})
