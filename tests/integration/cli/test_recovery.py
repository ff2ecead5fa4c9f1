"""A drain that is stopped is listed with its reason, and goes on once a person has released it."""

import asyncio
import json
from collections.abc import Mapping, Sequence
from uuid import UUID, uuid4

import pytest
from aiokafka import TopicPartition
from typer.testing import CliRunner

from cli.recovery.recovery_command import app
from cli.settings import Shape
from gateway.commit.lease_statements import NOBODY
from gateway.commit.submission import Submission
from gateway.publish import recovery
from gateway.publish.events import from_submission
from gateway.publish.topic import brokers, look
from gateway.service import Gateway, running
from gateway.settings import Settings
from runtime.kafka.clients import Kafka
from tests.support.publishing import leave_behind, producer_for
from tests.support.retention import emptied
from tests.support.write_path import eventually, ids_on_topic, outbox_is_empty, rows, submission


@pytest.fixture(autouse=True)
def environment(settings: Settings, database_url: str, kafka: Kafka, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the commands read; and a gateway that looks soon whether a stopped drain may go on."""
    monkeypatch.setattr(recovery, "_STOPPED_RETRY_SECONDS", 0.5)
    monkeypatch.setenv("DATABASE_URL", database_url)
    monkeypatch.setenv("KAFKA_BOOTSTRAP_SERVERS", kafka.bootstrap_servers)
    monkeypatch.setenv("KAFKA_PREFIX", settings.kafka_prefix)
    monkeypatch.setenv("COLUMNS", "400")


async def test_without_anything_left_the_list_says_so(settings: Settings) -> None:
    async with running(settings) as gateway:
        await gateway.keeper.held()
        await eventually(lambda: _knows_the_topic(gateway), what="a topic whose partitions have leaders")
        assert "No lease is being drained" in await _headgate("list")
        assert json.loads(await _headgate("list", "--json")) == []


async def test_what_retention_has_made_doubtful_is_named_and_published(
    settings: Settings, database_url: str, kafka: Kafka
) -> None:
    """A partition to which this lease wrote nothing was emptied: what the topic holds is left, the rest is named."""
    topic, there, missing = settings.topics.applications, submission("Ann", "there"), submission("Ann", "missing")
    async with running(settings) as gateway:
        await gateway.keeper.held()
        number = await _written(settings, there)
        async with brokers(kafka) as client:
            id_ = (await look(client, topic)).topic_id
        others = [other for other in range(Shape.partitions) if other != number]
        await emptied(kafka, [TopicPartition(topic, other) for other in others])
        positions = {"topic": id_.hex, "next": dict.fromkeys(map(str, range(Shape.partitions)), 0)}
        lease = await _left_behind(database_url, [there, missing], positions)
        gateway.keeper.look_soon()
        await eventually(lambda: _stopped(gateway), what="a stopped drain")
        [listed] = json.loads(await _headgate("list", "--json"))
        assert (listed["lease"], listed["applications"]) == (str(lease), 2)
        assert "retention has removed it" in listed["reason"]
        told = await _headgate("release", str(lease), "--yes")
        assert "lacks 1" in told
        assert "Of 1 nobody can tell" in told
        assert str(missing.id) in told
        assert str(there.id) not in told
        await eventually(lambda: outbox_is_empty(database_url), what="an empty outbox")
    found = await ids_on_topic(kafka, topic)
    assert (found.count(there.id), found.count(missing.id)) == (1, 1)


async def _written(settings: Settings, one: Submission) -> int:
    """Publish it, and so much for others that every partition has something; the number of its own partition."""
    producer = producer_for(settings)
    await producer.start()
    await producer.send([from_submission(one)])
    [number] = producer.acknowledged
    await producer.send([from_submission(submission(f"user {other}")) for other in range(50)])
    assert len(producer.acknowledged) == Shape.partitions
    await producer.stop()
    return number


async def test_a_stopped_drain_is_listed_and_released(settings: Settings, database_url: str, kafka: Kafka) -> None:
    async with running(settings) as gateway:
        await gateway.keeper.held()
        one = submission()
        lease = await _left_behind(database_url, [one], {"topic": uuid4().hex, "next": {"0": 7}})
        gateway.keeper.look_soon()
        await eventually(lambda: _stopped(gateway), what="a stopped drain")
        listed = await _headgate("list")
        assert str(lease) in listed
        assert "created anew" in listed
        assert "lacks 1" in await _headgate("release", str(lease), answer="n\n", code=1)
        assert not await outbox_is_empty(database_url)
        assert "released: 1 rows" in await _headgate("release", str(lease), "--yes")
        await eventually(lambda: outbox_is_empty(database_url), what="an empty outbox")
        assert (await ids_on_topic(kafka, settings.topics.applications)).count(one.id) == 1
        await eventually(lambda: _drained(database_url), what="the end of the lease")
        assert gateway.recovery.stopped == {}
        refused = await asyncio.to_thread(CliRunner().invoke, app, ["release", str(lease), "--yes"])
        assert "no gateway drains a lease" in str(refused.exception)


async def _left_behind(database_url: str, left: Sequence[Submission], positions: Mapping[str, object]) -> UUID:
    """What a gateway that is gone leaves: its lease, which anybody may claim, and one batch with these positions."""
    lease = uuid4()
    await leave_behind(database_url, lease, [left], positions=json.dumps(positions), claimed_by=NOBODY, instance="gone")
    return lease


async def _knows_the_topic(gateway: Gateway) -> bool:
    return bool(gateway.publisher.positions())


async def _stopped(gateway: Gateway) -> bool:
    return bool(gateway.recovery.stopped)


async def _drained(database_url: str) -> bool:
    return not await rows(database_url, "SELECT FROM gateway_leases WHERE claimed_by IS NOT NULL")


async def _headgate(*arguments: str, answer: str = "", code: int = 0) -> str:
    """The command runs an event loop of its own, so it gets a thread."""
    result = await asyncio.to_thread(CliRunner().invoke, app, arguments, answer)
    assert result.exit_code == code, (result.output, result.exception)
    return result.output or str(result.exception)
