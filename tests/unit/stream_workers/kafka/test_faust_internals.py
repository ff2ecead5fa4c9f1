"""Fails when a private part of Faust or aiokafka that stream_workers stands on is not what it was.

The versions are pinned exactly; whoever moves a pin reads what failed here before anything else.
"""

import asyncio
import inspect
from collections.abc import AsyncIterator
from importlib.metadata import version
from types import SimpleNamespace
from typing import Any

import faust
import mode
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, ConsumerRecord
from aiokafka.client import AIOKafkaClient
from aiokafka.consumer import fetcher
from aiokafka.consumer.group_coordinator import GroupCoordinator
from aiokafka.errors import IllegalStateError
from aiokafka.protocol.api import Request, RequestStruct
from aiokafka.protocol.group import JoinGroupRequest
from aiokafka.record.memory_records import MemoryRecords
from faust.app.base import App
from faust.assignor.partition_assignor import PartitionAssignor
from faust.stores.memory import Store
from faust.tables.base import Collection
from faust.tables.recovery import Recovery
from faust.topics import Topic
from faust.transport.consumer import Consumer as BaseConsumer
from faust.transport.drivers import aiokafka as driver
from faust.transport.drivers.aiokafka import AIOKafkaConsumerThread, Consumer, Producer, Transport
from faust.types import TP, ConsumerMessage
from faust.web.base import Web

from runtime.kafka.access.security import Security
from runtime.kafka.clients import Kafka
from runtime.kafka.fetched import Batches
from runtime.kafka.records import as_read
from stream_workers.kafka import batches
from stream_workers.kafka.batches import (
    BareWeb,
    Batch,
    BatchApp,
    BatchConsumer,
    BatchTransport,
    HighestStore,
    StateTable,
)
from stream_workers.kafka.entry import faust_options
from stream_workers.kafka.group import CommonPartitions
from stream_workers.kafka.room import Room


def source(thing: Any) -> str:
    return inspect.getsource(thing)


def parameters(function: Any) -> list[str]:
    return list(inspect.signature(function).parameters)


@pytest.mark.parametrize(
    ("package", "pinned"), [("faust-streaming", "0.15.3"), ("mode-streaming", "0.7.1"), ("aiokafka", "0.14.0")]
)
def test_the_versions_are_those_that_were_read(package: str, pinned: str) -> None:
    assert version(package) == pinned


@pytest.mark.parametrize(
    ("method", "names"),
    [
        ("getmany", ["self", "timeout"]),
        ("_wait_next_records", ["self", "timeout"]),
        ("_to_message", ["self", "tp", "record"]),
        ("_add_gap", ["self", "tp", "offset_from", "offset_to"]),
        ("_new_offset", ["self", "tp"]),
        ("perform_seek", ["self"]),
        ("seek", ["self", "partition", "offset"]),
        ("_seek", ["self", "partition", "offset"]),
        ("on_partitions_revoked", ["self", "revoked"]),
        ("on_partitions_assigned", ["self", "assigned", "generation_id"]),
    ],
)
def test_the_consumer_has_what_is_overridden(method: str, names: list[str]) -> None:
    assert parameters(getattr(Consumer, method)) == names


@pytest.mark.parametrize(
    "attribute", ["_buffered_partitions", "_acked", "_acked_index", "_committed_offset", "flow_active", "scheduler"]
)
def test_the_consumer_keeps_its_books_under_these_names(attribute: str) -> None:
    assert f"self.{attribute}" in source(BaseConsumer)


def test_messages_are_drained_through_getmany_and_gaps_added_there() -> None:
    drain = source(BaseConsumer._drain_messages)
    assert "getmany = self.getmany" in drain
    assert "self._add_gap(" in drain
    assert "self.wait_first(" in drain


def test_only_the_offset_that_new_offset_says_is_committed() -> None:
    assert "self._new_offset(tp)" in source(BaseConsumer._filter_committable_offsets)


def test_a_message_has_the_fields_that_a_batch_copies() -> None:
    assert set(batches._MESSAGE_FIELDS) <= set(parameters(ConsumerMessage.__init__))
    assert Batch.use_tracking


def test_recovery_seeks_with_an_active_flow_and_before_streams_run() -> None:
    """perform_seek is where the table's positions take effect: after recovery, before the first source record."""
    completed = source(Recovery.on_recovery_completed)
    assert completed.index("table.on_recovery_completed") < completed.index("consumer.perform_seek()")
    assert completed.index("consumer.perform_seek()") < completed.index("consumer.resume_flow()")
    restart = source(Recovery._restart_recovery.fun)
    assert restart.index("consumer.resume_flow") < restart.index("self.on_recovery_completed")


def test_a_rebalance_sets_the_generation_before_the_assignment() -> None:
    from faust.transport.drivers.aiokafka import ConsumerRebalanceListener

    assigned = source(ConsumerRebalanceListener.on_partitions_assigned)
    assert assigned.index("consumer_generation_id = generation") < assigned.index("on_partitions_assigned(ensure")


def test_the_app_makes_its_transport_and_web_where_ours_do() -> None:
    assert "self._new_transport()" in source(App)
    assert "return self._new_web()" in source(App)
    assert "self.transport.create_producer" in source(App._new_producer)
    assert "self.transport.create_consumer" in source(App._new_consumer)
    assert "self.Consumer(" in source(Transport.create_consumer)
    assert "_create_directories" in source(App.on_first_start)


def test_the_table_makes_its_store_where_ours_does() -> None:
    assert parameters(Collection._new_store_by_url) == ["self", "url"]
    assert parameters(Store.apply_changelog_batch) == ["self", "batch", "to_key", "to_value"]
    assert "self._key_partition" in source(Store.on_recovery_completed)


def test_sending_to_a_topic_goes_to_the_producer_and_its_answer_can_be_awaited() -> None:
    published = source(Topic._on_published)
    assert "message.set_exception(exc)" in published
    assert "message.set_result(res)" in published
    assert "producer.send(" in source(Topic.publish_message)
    assert "ProducerSendError" in source(Producer.send)


def test_faust_s_own_pages_can_be_left_out() -> None:
    candidates = source(Web._enabled_blueprints)
    for name in ("default_blueprints", "debug_blueprints", "optional_blueprints", "production_blueprints"):
        assert f"self.{name}" in candidates
        assert getattr(BareWeb, name) == ()


def test_streams_can_be_read_without_their_acknowledgements() -> None:
    stream = faust.Stream
    assert parameters(stream.noack) == ["self"]
    assert "enable_acks=False" in source(stream.noack)


def test_a_service_tells_why_it_crashed() -> None:
    assert isinstance(vars(mode.Service)["crash_reason"], property)
    assert "_crashed" in source(mode.Service._wait_stopped)


def test_a_member_that_kafka_dropped_has_no_id_when_its_partitions_are_revoked() -> None:
    assert "self.member_id = JoinGroupRequest.UNKNOWN_MEMBER_ID" in source(GroupCoordinator.reset_generation)
    assert JoinGroupRequest.UNKNOWN_MEMBER_ID == ""
    revoking = source(GroupCoordinator.ensure_active_group)
    assert revoking.index("_on_join_prepare") < revoking.index("_do_rejoin_group")
    assert "listener.on_partitions_revoked" in source(GroupCoordinator._on_join_prepare)


def test_the_producer_has_a_client_whose_metadata_can_be_renewed() -> None:
    assert "Unrecognized partition" in source(AIOKafkaProducer._partition)
    assert "self.client = AIOKafkaClient" in source(AIOKafkaProducer.__init__)
    assert parameters(AIOKafkaClient.force_metadata_update) == ["self"]
    assert parameters(Producer._ensure_producer) == ["self"]


@pytest.mark.parametrize("grown", ["applications", "changelog"])
def test_partitions_are_shared_out_with_their_states_while_topics_differ(grown: str) -> None:
    sizes = {"applications": 4, "changelog": 4, grown: 8}
    cluster: Any = SimpleNamespace(partitions_for_topic=lambda topic: set(range(sizes[topic])))
    topics = {"applications", "changelog"}
    subscriptions: Any = {"a": list(topics), "b": list(topics)}
    groups = CommonPartitions._get_copartitioned_groups(topics, cluster, subscriptions)
    assert {count: list(found) for count, found in groups.items()} == {4: [topics]}
    apart = PartitionAssignor._get_copartitioned_groups(topics, cluster, subscriptions)
    assert set(apart) == {4, 8}, "Faust does it by itself now: CommonPartitions can go"


def test_aiokafka_takes_requests_of_our_own() -> None:
    assert parameters(AIOKafkaClient.send)[:3] == ["self", "node_id", "request"]
    assert {"API_KEY", "API_VERSION", "RESPONSE_TYPE", "SCHEMA"} <= set(RequestStruct.__annotations__)
    assert parameters(Request.prepare) == ["self", "versions"]
    assert "self._client = AIOKafkaClient" in source(AIOKafkaConsumer.__init__)


@pytest.fixture
async def app() -> AsyncIterator[BatchApp]:
    """An app that is not started; its consumer's thread has a loop of its own all the same."""
    app = BatchApp("internals", broker="kafka://127.0.0.1:1", store="memory://", web_bind="127.0.0.1")
    app.loop = asyncio.get_running_loop()
    app.source = "applications"
    app.room = Room(10)
    app.rank = lambda value: (0, int(value)) if value and value.isdigit() else None
    app.is_state = lambda value: value != b"9"
    app.finalize()
    yield app
    app.consumer._thread.thread_loop.close()  # type: ignore[attr-defined]


async def test_the_app_uses_our_consumer_and_nobody_else_s_does(app: BatchApp) -> None:
    assert isinstance(app.transport, BatchTransport)
    assert app.transport.Consumer is BatchConsumer
    assert Transport.Consumer is Consumer


async def test_a_seek_runs_in_the_thread_that_fetches(app: BatchApp) -> None:
    """aiokafka's fetcher forgets a partition's records in a seek, and fails if that happens while it hands them out."""
    consumer: Any = app.consumer
    asked = []

    async def call_thread(function: Any, *args: Any) -> None:
        asked.append((function, args))

    consumer._thread = SimpleNamespace(call_thread=call_thread, seek=object(), thread_loop=consumer._thread.thread_loop)
    tp = faust.types.TP("applications", 3)
    await consumer.seek(tp, 7)
    assert asked == [(consumer._thread.seek, (tp, 7))]
    assert consumer._read_offset[tp] == 7


async def test_the_consumer_takes_any_bytes_and_nothing_that_was_taken_back(
    app: BatchApp, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fetcher, "MemoryRecords", MemoryRecords)
    monkeypatch.setattr(AIOKafkaConsumerThread, "_create_worker_consumer", lambda *_: SimpleNamespace())
    thread: Any = app.consumer._thread  # type: ignore[attr-defined]
    made = thread._create_worker_consumer(app.transport)
    assert (made._isolation_level, made._value_deserializer) == ("read_committed", as_read)
    assert fetcher.MemoryRecords is Batches  # type: ignore[comparison-overlap]


@pytest.mark.parametrize(("step", "given"), [("on_partitions_assigned", (set(),)), ("perform_seek", ())])
async def test_what_a_rebalance_throws_away_takes_no_room(
    app: BatchApp, monkeypatch: pytest.MonkeyPatch, step: str, given: tuple[object, ...]
) -> None:
    async def nothing(*_: object) -> None: ...

    monkeypatch.setattr(BaseConsumer, step, nothing)
    monkeypatch.setattr(BatchConsumer, "_member_id", "member")
    consumer: Any = app.consumer
    consumer.flow_active = False
    app.room.handed(50)
    await getattr(consumer, step)(*given)
    assert await app.room.free()


@pytest.mark.parametrize("error", [IllegalStateError("one is not assigned"), AssertionError("none is assigned")])
async def test_what_a_rebalance_takes_amid_a_seek_ends_no_worker(
    app: BatchApp, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    consumer: Any = app.consumer
    consumer.flow_active = False

    async def fetched(_: float) -> tuple[dict[Any, Any], set[Any]]:
        return {}, set()

    async def taken(_: object) -> None:
        raise error

    monkeypatch.setattr(consumer, "_wait_next_records", fetched)
    monkeypatch.setattr(BaseConsumer, "perform_seek", taken)
    assert [each async for each in consumer.getmany(0)] == []
    with pytest.raises(type(error)):  # recovery hears of it: Faust begins that anew
        await consumer.perform_seek()


async def test_acknowledged_batches_are_committed_by_their_newest_offset(app: BatchApp) -> None:
    consumer = app.consumer
    assert isinstance(consumer, BatchConsumer)
    tp = faust.types.TP("applications", 0)
    consumer._acked[tp] = [499, 999, 1_499]
    consumer._acked_index[tp] = {499, 999, 1_499}
    assert consumer._new_offset(tp) == 1_500
    assert consumer._new_offset(tp) is None
    assert not consumer._acked[tp]


async def test_recovery_keeps_the_highest_value_not_the_last(app: BatchApp) -> None:
    table = app.state_table("states", 4)
    assert isinstance(table, StateTable)
    store = table._new_store()
    assert isinstance(store, HighestStore)

    class Event:
        key = b"0"
        message = type("Message", (), {"partition": 0})()

        def __init__(self, value: bytes) -> None:
            self.value = value

    for value in (b"1", b"7", b"junk", b"9", b"3"):
        store.apply_changelog_batch([Event(value)], lambda key: key, lambda value: value)
    assert store.data[b"0"] == b"7"


def test_the_consumer_is_made_where_we_say_how_it_reads() -> None:
    assert "AIOKafkaConsumerThread(self, loop=self.loop, beacon=self.beacon)" in source(Consumer._new_consumer_thread)
    assert "return aiokafka.AIOKafkaConsumer(" in source(AIOKafkaConsumerThread._create_worker_consumer)
    assert "self._create_worker_consumer(transport)" in source(AIOKafkaConsumerThread._create_consumer)
    for option in ("isolation_level", "value_deserializer"):
        assert f"{option}=self._{option}" in source(AIOKafkaConsumer.start)


def test_how_an_app_gets_in_is_asked_of_one_function() -> None:
    """Which we replace: Faust's own knows no passwords that change."""
    taken = "credentials_to_aiokafka_auth("
    assert taken in source(AIOKafkaConsumerThread._create_worker_consumer)
    assert taken in source(AIOKafkaConsumerThread._create_client_consumer)
    assert taken in source(Producer._settings_auth)
    given = faust_options(Kafka("a:1,b:2", Security("SASL_PLAINTEXT", "PLAIN", "ann")))
    app = faust.App("x", **given)
    assert [str(url) for url in app.conf.broker] == ["kafka://a:1", "kafka://b:2"]
    options = driver.credentials_to_aiokafka_auth(app.conf.broker_credentials)
    assert (options["sasl_mechanism"], options["sasl_plain_username"]) == ("PLAIN", "ann")


def test_a_batch_that_waits_for_its_acknowledgement_keeps_no_record() -> None:
    itself: Any = SimpleNamespace(app=SimpleNamespace(consumer_generation_id=1))
    itself._to_message = lambda tp, record: BatchConsumer._to_message(itself, tp, record)
    last = ConsumerRecord("t", 0, 7, 1, 0, b"key", b"value", None, 3, 5, (("name", b"value"),))
    batch = BatchConsumer._batch(itself, TP("t", 0), [last])
    assert (batch.offset, batch.key, batch.value, batch.headers) == (7, b"", b"", [])
