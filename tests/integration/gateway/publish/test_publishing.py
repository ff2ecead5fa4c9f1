"""Publishing: brokers that are paused or refuse, topics that go, positions that are kept fresh."""

import asyncio
import os
from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest
from aiokafka.admin import NewTopic
from aiokafka.client import AIOKafkaClient
from aiokafka.conn import AIOKafkaConnection
from aiokafka.producer.message_accumulator import MessageAccumulator

from cli.topics.admin import admin
from contracts import Topics, from_record
from devstack.kafka.broker import Broker
from devstack.postgresql.postgres import Postgres
from gateway.problems.errors import DatabaseAwayError
from gateway.publish.events import from_submission
from gateway.publish.producer import ContentRefusedError, Producer
from gateway.publish.topic import brokers, log_ends, look, min_in_sync, readable_ends, replica_lag_seconds
from gateway.service import Gateway, running
from gateway.settings import Settings
from runtime.kafka import uncut
from runtime.kafka.clients import Kafka
from runtime.kafka.metadata import TopicMetadataRequest
from tests.support.publishing import health_report, producer_for
from tests.support.topic_settings import set_topic
from tests.support.write_path import eventually, ids_on_topic, outbox_is_empty, records, rows, submission


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
    # However late one looks, the request is still under way.
    producer = producer_for(settings.model_copy(update={"send_timeout_seconds": 60.0}))
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
    source = uncut._producer_stop.__code__.co_names  # aiokafka's own
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


async def test_an_event_refused_for_its_content_is_set_aside_and_the_rest_goes_on_exactly_once(
    gateway: Gateway, kafka: Kafka, database_url: str, topics: Topics, caplog: pytest.LogCaptureFixture
) -> None:
    await gateway.writer.submit(submission())
    await gateway.publisher.until_idle()
    await set_topic(kafka, topics.applications, max_message_bytes=3_000)
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
        await gateway.keeper.held()
        await eventually(lambda: _is(gateway, "memory"), what="positions of the new lease")
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


async def test_a_refused_batch_is_not_overtaken_by_what_follows_it(
    settings: Settings, kafka: Kafka, topics: Topics
) -> None:
    await set_topic(kafka, topics.applications, max_message_bytes=200_000)
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
    await set_topic(kafka, topics.applications, max_message_bytes=200_000)
    async with running(settings) as gateway:
        sent = [submission("Ann", os.urandom(4_500).hex()) for _ in range(120)]
        await asyncio.gather(*map(gateway.writer.submit, sent))
        first = gateway.keeper.lease
        await eventually(lambda: outbox_is_empty(database_url), what="an empty outbox")
        assert gateway.keeper.lease == first
    assert await ids_on_topic(kafka, topics.applications) == [each.id for each in sent]


@pytest.mark.timeout(600)
async def test_a_stop_ends_at_whatever_step_of_a_start_the_brokers_fall_silent(
    settings: Settings, broker: Broker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between each two requests of a start, and before the first: the n-th is sent to a broker that is frozen."""
    steps = _Steps(broker)
    monkeypatch.setattr(AIOKafkaConnection, "send", steps.sending(AIOKafkaConnection.send))
    while await _frozen_at(steps, settings):
        steps.silent_at += 1
    assert {"InitProducerIdRequest", "TopicMetadataRequest", "OffsetRequest", "DescribeConfigsRequest"} <= steps.seen


class _Steps:
    """Counts what this process asks the brokers, and freezes them before the request ``silent_at``."""

    def __init__(self, broker: Broker) -> None:
        self._broker = broker
        self.asked = self.silent_at = 0
        self.seen: set[str] = set()

    def sending(self, send: Callable[..., Any]) -> Callable[..., Any]:
        def counted(connection: AIOKafkaConnection, request: Any, *more: Any, **options: Any) -> Any:
            if self.asked == self.silent_at:
                self._broker.pause()
            self.asked += 1
            self.seen.add(type(request).__name__)
            return send(connection, request, *more, **options)

        return counted

    def resume(self) -> None:
        self._broker.resume()
        self.asked = 0

    @property
    def frozen(self) -> bool:
        return self.asked > self.silent_at


async def _frozen_at(steps: _Steps, settings: Settings) -> bool:
    """Start a gateway and stop it once the brokers are frozen; False where its start needs no further request."""
    gateway = Gateway(settings)
    try:
        gateway.start()
        await eventually(lambda: _frozen_or_started(steps, gateway), what="a start")
        frozen = steps.frozen
        async with asyncio.timeout(60):
            await gateway.drain()
            await gateway.close()
    finally:
        steps.resume()
    return frozen


async def _frozen_or_started(steps: _Steps, gateway: Gateway) -> bool:
    return steps.frozen or gateway.publisher.state == "memory"


async def test_a_topic_that_is_gone_is_not_asked_for_again_and_again(
    settings: Settings, kafka: Kafka, topics: Topics, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With an event in flight to it, aiokafka asks for its metadata as fast as it is answered."""
    ask: Callable[..., Any] = AIOKafkaClient._metadata_update
    asked = 0

    async def counted(*arguments: Any) -> Any:
        nonlocal asked
        asked += 1
        return await ask(*arguments)

    async with running(settings) as gateway:
        await gateway.writer.submit(submission())
        await gateway.publisher.until_idle()
        async with admin(kafka) as client:
            await client.delete_topics([topics.applications])
        monkeypatch.setattr("gateway.publish.producer._METADATA_SECONDS", 3_600)
        monkeypatch.setattr(AIOKafkaClient, "_metadata_update", counted)
        await gateway.writer.submit(submission(description="in flight"))
        await eventually(lambda: _any(asked), what="a question for the topic")
        # As many as the broker answers one after the other: a client that does not pace itself asks as often.
        async with brokers(kafka) as asking:
            for _ in range(300):
                await asking.send(asking.get_random_node(), TopicMetadataRequest(topics.applications))
        assert gateway.publisher.outstanding
        assert asked < 20


async def _any(asked: int) -> bool:
    return bool(asked)
