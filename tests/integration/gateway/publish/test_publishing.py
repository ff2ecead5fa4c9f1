"""Publishing, fencing and recovery: brokers and databases that are paused, and rows that the dead left."""

import asyncio
import os
from collections.abc import Sequence
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.admin import NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.producer.message_accumulator import MessageAccumulator
from sqlalchemy import text

from contracts import Topics, from_record
from devstack.kafka.broker import Broker
from devstack.postgresql.postgres import Postgres
from gateway.commit.lease_statements import ADOPT_ORPHANS, CLAIM, FIELDS
from gateway.commit.submission import Submission
from gateway.database.connection import Session, create_engine
from gateway.database.tables import SCHEMA
from gateway.health import Health
from gateway.problems.errors import DatabaseAwayError
from gateway.publish import backlog
from gateway.publish.events import from_submission
from gateway.publish.producer import ContentRefusedError, Producer
from gateway.publish.topic import brokers, log_ends, look, min_in_sync, readable_ends, replica_lag_seconds
from gateway.service import Gateway, running
from gateway.settings import Settings
from runtime.kafka.clients import Kafka
from tests.support.write_path import eventually, ids_on_topic, outbox_is_empty, records, rows, submission


def producer_for(settings: Settings) -> Producer:
    return Producer(kafka=settings.kafka, topic=settings.topics.applications, request_seconds=2)


# --- Kafka away -----------------------------------------------------------------------------------------------------


async def test_with_kafka_away_everything_is_accepted_memory_is_bounded_and_the_backlog_drains_in_order(
    settings: Settings, broker: Broker, database_url: str, kafka: Kafka, topics: Topics
) -> None:
    bounded = settings.model_copy(update={"publish_memory_max": 40, "commit_batch_max": 10})
    async with running(bounded) as gateway:
        await gateway.writer.submit(submission())
        await gateway.publisher.until_idle()
        broker.pause()
        try:
            sent = [submission("Ann", str(number)) for number in range(400)]
            for first in range(0, 400, 20):
                await asyncio.gather(*map(gateway.writer.submit, sent[first : first + 20]))
                assert gateway.publisher.in_memory <= 40
            assert gateway.publisher.outstanding
        finally:
            broker.resume()
        late = [submission("Ann", f"late {number}") for number in range(20)]
        await asyncio.gather(*map(gateway.writer.submit, late))
        await eventually(lambda: outbox_is_empty(database_url), what="an empty outbox")
        assert (await ids_on_topic(kafka, topics.applications))[1:] == [each.id for each in sent + late]
        await eventually(lambda: _is(gateway, "memory"), what="publishing from memory")


async def _is(gateway: Gateway, state: str) -> bool:
    return gateway.publisher.state == state


async def test_an_aborted_producer_sends_nothing_later(
    settings: Settings, broker: Broker, kafka: Kafka, topics: Topics
) -> None:
    producer = producer_for(settings)
    await producer.start()
    await producer.send([from_submission(submission())])
    broker.pause()
    try:
        sending = asyncio.create_task(producer.send([from_submission(submission(description="held"))]))
        await eventually(lambda: _in_flight(producer), what="a request under way")
        sending.cancel()
        await producer.abort()
    finally:
        broker.resume()
    probe = producer_for(settings)
    await probe.start()
    await probe.send([from_submission(submission(description="afterwards"))])
    await probe.stop()
    found = [from_record(record.value, ()).description for record in await records(kafka, topics.applications)]
    # The request was in the broker's hands before the abort; what matters is that it is there at most once.
    assert sorted(found) in (["afterwards", "text"], ["afterwards", "held", "text"])


async def _in_flight(producer: Producer) -> bool:
    return bool(producer._kafka._sender._in_flight)


def test_the_inside_of_aiokafka_is_as_the_producer_module_knows_it() -> None:
    assert "batch_ttl" in MessageAccumulator.__init__.__code__.co_varnames
    source = AIOKafkaProducer.stop.__code__.co_names
    assert {"_closed", "_message_accumulator", "_sender", "client"} <= set(source)


async def test_the_brokers_answer_the_questions_that_aiokafka_does_not_ask(
    settings: Settings, kafka: Kafka, topics: Topics
) -> None:
    producer = producer_for(settings)
    await producer.start()
    await producer.send([from_submission(submission(f"user {number}")) for number in range(50)])
    await producer.stop()
    async with brokers(kafka) as client:
        state = await look(client, topics.applications)
        ends = await log_ends(client, topics.applications, state)
        assert sum(ends.values()) == 50
        assert ends == await readable_ends(client, topics.applications, state)
        assert set((await readable_ends(client, topics.applications, state, at=-2)).values()) == {0}
        assert (await replica_lag_seconds(client, state), await min_in_sync(client, topics.applications)) == (2.0, 1)


# --- an event that a broker refuses ---------------------------------------------------------------------------------


async def test_an_event_refused_for_its_content_is_set_aside_and_the_rest_goes_on_exactly_once(
    gateway: Gateway, kafka: Kafka, database_url: str, topics: Topics, caplog: pytest.LogCaptureFixture
) -> None:
    await gateway.writer.submit(submission())
    await gateway.publisher.until_idle()
    await limit_message_size(kafka, topics.applications, 3_000)
    huge = submission("Ann", os.urandom(4_000).hex())
    others = [submission("Ann", str(number)) for number in range(20)]
    await asyncio.gather(*map(gateway.writer.submit, [*others[:10], huge, *others[10:]]))
    await eventually(lambda: outbox_is_empty(database_url), what="an empty outbox")
    assert (await ids_on_topic(kafka, topics.applications))[1:] == [each.id for each in others]
    [row] = await rows(database_url, "SELECT id, reason FROM unpublishable")
    assert UUID(str(row["id"])) == huge.id
    assert "MessageSizeTooLarge" in row["reason"]
    assert "The lease is lost: a send failed (MessageSizeTooLargeError" in caplog.text
    assert (await health_report(gateway))["status"] == "degraded"


async def limit_message_size(kafka: Kafka, topic: str, size: int) -> None:
    admin = kafka.admin()
    await admin.start()
    try:
        resource = ConfigResource(ConfigResourceType.TOPIC, topic, {"max.message.bytes": str(size)})
        answers: list[Any] = await admin.alter_configs([resource])
        assert all(error[0] == 0 for answer in answers for error in answer.resources), answers

        async def in_force() -> bool:
            answer: Any = (await admin.describe_configs([resource]))[0]
            return str(answer.resources[0][4][0][1]) == str(size)

        await eventually(in_force, what="the limit")
    finally:
        await admin.close()


# --- PostgreSQL silent ----------------------------------------------------------------------------------------------


async def test_a_silent_database_is_said_in_time_and_costs_nothing_but_the_lease(
    gateway: Gateway, postgres: Postgres, database_url: str, kafka: Kafka, topics: Topics
) -> None:
    before = [submission(description=f"before {number}") for number in range(20)]
    await asyncio.gather(*map(gateway.writer.submit, before))
    lease = await gateway.keeper.held()
    postgres.pause()
    try:
        async with asyncio.timeout(10):
            with pytest.raises(DatabaseAwayError):
                await gateway.writer.submit(submission(description="meanwhile"))
        await gateway.keeper.until_lost(lease)
    finally:
        postgres.resume()
    after = [submission(description=f"after {number}") for number in range(20)]
    await eventually(lambda: _accepts(gateway), seconds=20, what="accepting again")
    await asyncio.gather(*map(gateway.writer.submit, after))
    await eventually(lambda: outbox_is_empty(database_url), what="an empty outbox")
    found = await ids_on_topic(kafka, topics.applications)
    stored = [UUID(str(row["id"])) for row in await rows(database_url, "SELECT id FROM applications ORDER BY id")]
    assert len(found) == len(set(found))
    assert set(found) == set(stored) >= {each.id for each in before + after}


async def _accepts(gateway: Gateway) -> bool:
    try:
        await gateway.writer.submit(submission(description="probe"))
    except DatabaseAwayError:
        return False
    return True


# --- what the dead left ---------------------------------------------------------------------------------------------


async def leave_behind(
    database_url: str, lease: UUID, batches: Sequence[Sequence[Submission]], **of_lease: object
) -> None:
    """Rows of a gateway that died: committed, in the outbox, its lease silent."""
    connection = await asyncpg.connect(database_url.replace("+asyncpg", ""))
    columns = {"id": lease, "instance": "dead", "seconds": 1.0} | of_lease
    places = ", ".join(f"${number}" for number in range(1, len(columns) + 1))
    await connection.execute(f"INSERT INTO gateway_leases ({', '.join(columns)}) VALUES ({places})", *columns.values())
    for batch in batches:
        for each in batch:
            values = each.id, each.user_name, each.description, each.created_at
            await connection.execute("INSERT INTO applications VALUES ($1, $2, $3, $4)", *values)
        row = batch[0].id, lease, [each.id for each in batch]
        await connection.execute("INSERT INTO outbox (id, lease, ids, positions) VALUES ($1, $2, $3, '{}')", *row)
    await connection.close()


async def test_only_what_is_missing_is_sent_and_in_order(
    settings: Settings, database_url: str, kafka: Kafka, topics: Topics
) -> None:
    left = [[submission("Ann", f"{batch}.{number}") for number in range(5)] for batch in range(40)]
    events = [each for batch in left for each in batch]
    producer = producer_for(settings)
    await producer.start()
    await producer.send([from_submission(each) for each in events[:73]])
    await producer.stop()
    await leave_behind(database_url, uuid4(), left)
    async with running(settings) as gateway:
        own = submission("Bob")
        await gateway.writer.submit(own)
        await eventually(lambda: outbox_is_empty(database_url), what="an empty outbox")
        assert (gateway.recovery.already_there, gateway.recovery.sent) == (73, 127)
        await eventually(lambda: _drained(gateway), what="the end of the lease that owes nothing any more")
    found = [id_ for id_ in await ids_on_topic(kafka, topics.applications) if id_ != own.id]
    assert found == [each.id for each in events]
    assert await rows(database_url, "SELECT FROM gateway_leases") == []


async def test_a_recoverer_that_died_is_itself_recovered_and_former_leases_come_first(
    settings: Settings, database_url: str, kafka: Kafka, topics: Topics
) -> None:
    first, second, recoverer = uuid4(), uuid4(), uuid4()
    older, newer = ([submission("Ann", f"{age} {number}") for number in range(10)] for age in ("older", "newer"))
    await leave_behind(database_url, first, [older], claimed_by=recoverer)
    await leave_behind(database_url, second, [newer], former=first)
    async with running(settings):
        await eventually(lambda: outbox_is_empty(database_url), what="an empty outbox")
    assert await ids_on_topic(kafka, topics.applications) == [each.id for each in older + newer]


async def test_what_a_gateway_with_a_further_field_left_is_not_published_without_it(
    settings: Settings, database_url: str, kafka: Kafka, topics: Topics, monkeypatch: pytest.MonkeyPatch
) -> None:
    lease, left = uuid4(), [submission(description=str(number)) for number in range(10)]
    await leave_behind(database_url, lease, [left], fields=FIELDS + 1)
    async with running(settings) as older:
        own = submission("Bob")
        await older.writer.submit(own)
        await eventually(lambda: _stopped(older, lease), what="a lease that is left to a newer version")
        assert "newer version" in older.recovery.stopped[lease]
        assert (await health_report(older))["status"] == "degraded"
        await older.publisher.until_idle()
        # Such a gateway may also have left orphans: rows whose lease row is gone are as new as the schema.
        await rows(database_url, "UPDATE alembic_version SET version_num = '9999'")
        await rows(database_url, f"DELETE FROM gateway_leases WHERE id = '{lease}'")
        await rows(database_url, str(ADOPT_ORPHANS))
        assert await rows(database_url, f"SELECT FROM gateway_leases WHERE id = '{lease}'") == []
    await rows(database_url, f"UPDATE alembic_version SET version_num = '{SCHEMA}'")
    assert await ids_on_topic(kafka, topics.applications) == [own.id]
    monkeypatch.setattr("gateway.commit.lease.FIELDS", FIELDS + 1)
    monkeypatch.setattr("gateway.commit.lease.CLAIM", text(str(CLAIM).replace(f"<= {FIELDS}", f"<= {FIELDS + 1}")))
    async with running(settings) as newer:
        await eventually(lambda: outbox_is_empty(database_url), what="an empty outbox")
        assert newer.recovery.stopped == {}
    found = await ids_on_topic(kafka, topics.applications)
    assert len(found) == len(left) + 1
    assert set(found) == {own.id, *(each.id for each in left)}


async def test_outbox_rows_without_any_lease_are_adopted(
    settings: Settings, database_url: str, kafka: Kafka, topics: Topics
) -> None:
    lease, orphans = uuid4(), [submission(description=str(number)) for number in range(10)]
    await leave_behind(database_url, lease, [orphans])
    await rows(database_url, f"DELETE FROM gateway_leases WHERE id = '{lease}'")
    await rows(database_url, "ALTER TABLE applications ADD COLUMN a_note_of_the_operator text")
    async with running(settings):
        await eventually(lambda: outbox_is_empty(database_url), what="an empty outbox")
    assert await ids_on_topic(kafka, topics.applications) == [each.id for each in orphans]


async def test_two_gateways_drain_one_dead_lease_once(
    settings: Settings, database_url: str, kafka: Kafka, topics: Topics
) -> None:
    left = [submission(description=str(number)) for number in range(10)]
    await leave_behind(database_url, uuid4(), [left])
    async with running(settings) as one, running(settings) as other:
        await eventually(lambda: outbox_is_empty(database_url), what="an empty outbox")
        assert one.recovery.claimed + other.recovery.claimed == 1
    assert await ids_on_topic(kafka, topics.applications) == [each.id for each in left]


@pytest.mark.parametrize(
    ("positions", "message"),
    [
        ('{"topic": "00000000000000000000000000000001", "next": {}}', "created anew"),
        ('{"next": {"0": 1000}}', "lost records"),
    ],
)
async def test_positions_that_do_not_fit_stop_the_drain_and_say_so(
    settings: Settings, database_url: str, kafka: Kafka, topics: Topics, positions: str, message: str
) -> None:
    lease = uuid4()
    await leave_behind(database_url, lease, [[submission()]])
    await rows(database_url, f"UPDATE outbox SET positions = '{positions}'")
    async with running(settings) as gateway:
        await eventually(lambda: _stopped(gateway, lease), what="a stopped drain")
        assert message in gateway.recovery.stopped[lease]
        assert message in str(await health_report(gateway))
    assert await ids_on_topic(kafka, topics.applications) == []
    assert len(await rows(database_url, "SELECT FROM outbox")) == 1


async def health_report(gateway: Gateway) -> dict[str, Any]:
    health = Health(gateway)
    try:
        return await health.report()
    finally:
        await health.close()


async def _drained(gateway: Gateway) -> bool:
    return not gateway.recovery.busy


async def _stopped(gateway: Gateway, lease: UUID) -> bool:
    return lease in gateway.recovery.stopped


# --- positions, topics and portions ---------------------------------------------------------------------------------


async def test_positions_of_an_idle_partition_are_read_again(
    settings: Settings,
) -> None:
    """Others write to it and retention eats it: what this gateway remembers from its start would be gone."""
    async with running(settings) as gateway:
        await gateway.keeper.held()
        await eventually(lambda: _connected(gateway), what="positions")
        gateway.publisher._sleep = _moment
        lease = gateway.keeper.lease
        gateway.keeper.lost(lease, "another one, so that the watch sleeps as the test says")  # type: ignore[arg-type]
        producer = producer_for(settings)
        await producer.start()
        await producer.send([from_submission(submission("Ann", str(number))) for number in range(50)])
        await producer.stop()
        [number] = producer.acknowledged
        await eventually(lambda: _knows(gateway, number, producer.acknowledged[number]), what="the new end")


async def _connected(gateway: Gateway) -> bool:
    return bool(gateway.publisher.positions())


async def _knows(gateway: Gateway, number: int, offset: int) -> bool:
    return bool(gateway.publisher.positions()["next"].get(str(number)) == offset)


async def _moment(_: float) -> None:
    await asyncio.sleep(0.1)


async def test_a_topic_that_is_deleted_stops_nothing_and_one_made_anew_is_published_to(
    settings: Settings, database_url: str, kafka: Kafka, topics: Topics
) -> None:
    async with running(settings) as gateway:
        await gateway.writer.submit(submission())
        await gateway.publisher.until_idle()
        former = gateway.publisher.positions()["topic"]
        gateway.publisher._sleep = _moment
        gateway.keeper.lost(await gateway.keeper.held(), "another one, so that the watch sleeps as the test says")
        await gateway.keeper.held()
        admin = kafka.admin()
        await admin.start()
        try:
            await admin.delete_topics([topics.applications])
            await eventually(lambda: _away(gateway), what="a degraded gateway")
            kept = [submission("Ann", str(number)) for number in range(5)]
            await asyncio.gather(*map(gateway.writer.submit, kept))
            assert gateway.failed is None
            await admin.create_topics([NewTopic(topics.applications, 4, 1)])
        finally:
            await admin.close()
        await eventually(lambda: _is_another(gateway, former), what="the new topic's id")
        await eventually(lambda: _any_stopped(gateway), what="a drain that a person decides about")
        assert "created anew" in str(gateway.recovery.stopped)
        await rows(database_url, "UPDATE outbox SET positions = '{}'")  # as `headgate recovery release` does
        await eventually(lambda: outbox_is_empty(database_url), seconds=120, what="an empty outbox")
        assert gateway.failed is None
    assert await ids_on_topic(kafka, topics.applications) == [each.id for each in kept]


async def _any_stopped(gateway: Gateway) -> bool:
    return bool(gateway.recovery.stopped)


async def _away(gateway: Gateway) -> bool:
    return bool((await health_report(gateway))["dependencies"]["kafka"]["status"] != "ok")


async def _is_another(gateway: Gateway, former: str) -> bool:
    return bool(gateway.publisher.positions().get("topic", former) != former)


async def test_a_backlog_is_read_in_portions_of_bytes_without_tombstones(settings: Settings, database_url: str) -> None:
    lease = uuid4()
    large = [[submission("Ann", f"{number}" * 4_500) for _ in range(100)] for number in range(10, 40)]
    await leave_behind(database_url, lease, large)
    tombstone = f"INSERT INTO outbox VALUES ('{UUID(int=1)}', '{lease}', '{{}}', '{{}}')"
    await rows(database_url, tombstone)
    engine = create_engine(settings, pooled=False)
    session = Session(engine)
    found: list[UUID] = []
    try:
        after = backlog.FIRST
        while portion := await backlog.read(session, lease=lease, after=after, events=4_000):
            assert len(portion) <= 11
            assert all(batch.events for batch in portion)
            found += [event.id for batch in portion for event in batch.events]
            after = portion[-1].id
    finally:
        await session.drop()
        await engine.dispose()
    assert found == [each.id for batch in large for each in batch]


async def test_a_lease_whose_applications_were_all_erased_ends(settings: Settings, database_url: str) -> None:
    lease = uuid4()
    await leave_behind(database_url, lease, [[submission()], [submission()]])
    await rows(database_url, "DELETE FROM applications")
    async with running(settings):
        await eventually(lambda: _gone(database_url, lease), what="the end of the lease")


async def _gone(database_url: str, lease: UUID) -> bool:
    return not await rows(database_url, f"SELECT FROM gateway_leases WHERE id = '{lease}'")


async def test_drains_that_wait_hold_no_connection_of_the_requests(
    settings: Settings, broker: Broker, database_url: str
) -> None:
    """Ten leases, as an outage of Kafka with restarts leaves them."""
    for _ in range(10):
        await leave_behind(database_url, uuid4(), [[submission()]])
    broker.pause()
    try:
        async with running(settings) as gateway:
            await eventually(lambda: _settling(gateway, 10), what="ten drains that settle")
            assert gateway.engine.pool.checkedout() == 0  # type: ignore[attr-defined]
            waiting = await rows(
                database_url, "SELECT FROM pg_stat_activity WHERE application_name LIKE 'headgate gateway%'"
            )
            assert len(waiting) <= 4
            broker.resume()
            await eventually(lambda: outbox_is_empty(database_url), what="an empty outbox")
    finally:
        broker.resume()


async def _settling(gateway: Gateway, count: int) -> bool:
    return list(gateway.recovery.phases.values()).count("settle") == count


async def test_a_refused_batch_is_not_overtaken_by_what_follows_it(
    settings: Settings, kafka: Kafka, topics: Topics
) -> None:
    await limit_message_size(kafka, topics.applications, 200_000)
    events = [from_submission(submission("Ann", os.urandom(4_500).hex())) for _ in range(120)]
    producer = producer_for(settings)
    await producer.start()
    with pytest.raises(ContentRefusedError) as refused:
        await producer.send(events)
    await producer.abort()
    assert await ids_on_topic(kafka, topics.applications) == []
    assert [*refused.value.refused, *refused.value.unsent] == events


async def test_batches_are_as_small_as_the_topic_takes_them(
    settings: Settings, database_url: str, kafka: Kafka, topics: Topics
) -> None:
    await limit_message_size(kafka, topics.applications, 200_000)
    async with running(settings) as gateway:
        sent = [submission("Ann", os.urandom(4_500).hex()) for _ in range(120)]
        await asyncio.gather(*map(gateway.writer.submit, sent))
        first = gateway.keeper.lease
        await eventually(lambda: outbox_is_empty(database_url), what="an empty outbox")
        assert gateway.keeper.lease == first
    assert await ids_on_topic(kafka, topics.applications) == [each.id for each in sent]


async def test_a_stop_ends_while_the_brokers_are_silent(settings: Settings, broker: Broker) -> None:
    """At each step of a start: it is stopped when so many answers have been given."""
    for answers in range(6):
        gateway = Gateway(settings)
        gateway.start()
        await gateway.keeper.held()
        await asyncio.sleep(answers * 0.02)
        broker.pause()
        try:
            async with asyncio.timeout(60):
                await gateway.drain()
                await gateway.close()
        finally:
            broker.resume()
