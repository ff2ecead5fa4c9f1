"""What the dead left is published once and in order, or stops with a word why."""

import gc
import weakref
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import text

from contracts import Topics
from devstack.kafka.broker import Broker
from gateway.commit.lease_statements import ADOPT_ORPHANS, CLAIM, FIELDS
from gateway.database.connection import Session, create_engine
from gateway.database.tables import SCHEMA
from gateway.publish import backlog, recovery
from gateway.publish.backlog import StoredBatch
from gateway.publish.events import from_submission
from gateway.publish.producer import SendError
from gateway.service import Gateway, running
from gateway.settings import Settings
from runtime.kafka.clients import Kafka
from tests.support.publishing import health_report, leave_behind, producer_for
from tests.support.write_path import eventually, ids_on_topic, outbox_is_empty, rows, submission


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


async def test_what_another_gateway_drains_now_is_not_said_to_be_stopped_here(
    settings: Settings, database_url: str
) -> None:
    lease = uuid4()
    await leave_behind(database_url, lease, [[submission()]], positions='{"next": {"0": 1000}}')
    async with running(settings) as gateway:
        await eventually(lambda: _stopped(gateway, lease), what="a stopped drain")
        gateway.keeper.lost(await gateway.keeper.held(), "as when it could not be renewed")
        await rows(database_url, f"DELETE FROM gateway_leases WHERE id = '{lease}'")
        await rows(database_url, "DELETE FROM outbox")
        await eventually(lambda: _is_quiet(gateway), what="nothing that is stopped")


async def _is_quiet(gateway: Gateway) -> bool:
    return gateway.recovery.stopped == {}


class _Portion(list[StoredBatch]):
    """A list that can be referred to weakly."""


async def test_what_a_cut_attempt_has_read_is_free_at_once(
    settings: Settings, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Portions are megabytes, and the garbage collector, which counts objects, comes seldom."""
    portions: list[weakref.ref[_Portion]] = []
    held: list[int] = []
    read = backlog.read

    async def reading(*asked: Any, **more: Any) -> _Portion:
        held.append(sum(portion() is not None for portion in portions))
        portion = _Portion(await read(*asked, **more))
        portions.append(weakref.ref(portion))
        return portion

    async def cut(*_: object, **__: object) -> None:
        if len(portions) % 2:
            raise TimeoutError
        raise SendError("cut")

    async def enough() -> bool:
        return len(held) > 3

    monkeypatch.setattr(backlog, "read", reading)
    monkeypatch.setattr(recovery, "present", cut)
    monkeypatch.setattr(recovery, "_RETRY_SECONDS", 0.01)
    monkeypatch.setattr(recovery.log, "warning", lambda *_, **__: None)  # pytest keeps the errors that are logged
    await leave_behind(database_url, uuid4(), [[submission()]])
    gc.collect()
    gc.disable()
    try:
        async with running(settings):
            await eventually(enough, what="attempts")
    finally:
        gc.enable()
    assert set(held) == {0}


async def _drained(gateway: Gateway) -> bool:
    return not gateway.recovery.busy


async def _stopped(gateway: Gateway, lease: UUID) -> bool:
    return lease in gateway.recovery.stopped


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


async def test_a_lease_that_owes_nothing_ends_without_the_brokers(
    settings: Settings, broker: Broker, database_url: str
) -> None:
    lease = uuid4()
    await leave_behind(database_url, lease, [])
    broker.pause()
    try:
        async with running(settings):
            await eventually(lambda: _gone(database_url, lease), what="the end of the lease")
    finally:
        broker.resume()


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
            await eventually(lambda: _holds_at_most(database_url, 4), what="drains that wait without a connection")
            assert await _settling(gateway, 10)
            broker.resume()
            await eventually(lambda: outbox_is_empty(database_url), what="an empty outbox")
    finally:
        broker.resume()


async def _holds_at_most(database_url: str, count: int) -> bool:
    held = "SELECT FROM pg_stat_activity WHERE application_name LIKE 'headgate gateway%'"
    return len(await rows(database_url, held)) <= count


async def _settling(gateway: Gateway, count: int) -> bool:
    return list(gateway.recovery.phases.values()).count("settle") == count
