"""`headgate events` on a real broker: what was kept, what is added meanwhile, what is no entry."""

import json
from datetime import UTC, datetime

import pytest
import typer

from cli.topics.events_command import line, since_when
from contracts import Topics
from runtime.kafka.clients import Kafka
from stream_workers.chronicle.happened import Entry, Happened, to_json
from stream_workers.chronicle.seen import Seen
from stream_workers.chronicle.topic import Chronicle
from stream_workers.errors import NoTopicError
from stream_workers.kafka.broker import Broker
from tests.integration.cli.test_audit import headgate

NOW = 1_795_000_000.0


def happened(kind: str, *, ago: float, **values: str | int) -> Entry:
    return Entry([Happened(datetime.now(UTC).timestamp() - ago, kind, values)], Seen(versions=(kind,)))


async def junk(kafka: Kafka, topic: str, *values: bytes) -> None:
    producer = kafka.producer()
    await producer.start()
    try:
        for value in values:
            await producer.send_and_wait(topic, value, partition=0)
    finally:
        await producer.stop()


async def test_what_is_added_is_read_by_others_and_junk_is_passed_over(kafka: Kafka, topics: Topics) -> None:
    async with await Broker.connected(kafka) as broker:
        await broker.known_partitions(topics.happened)  # made just now, it may show a bit later
        ours, other = Chronicle(kafka, topics, broker), Chronicle(kafka, topics, broker)
        assert (await ours.read()).seen is None
        await ours.add(happened("rebalance", ago=60, worker="metrics", n=1, partitions="0"))
        await junk(kafka, topics.happened, b"\xff", b"{}", b"x" * 100_000)
        assert [each.kind for each in (await other.read()).happened] == ["rebalance"]
        await other.add(happened("kafka-away", ago=30, seconds=3))
        known = await ours.read()
        assert ([each.kind for each in known.happened], known.total) == (["rebalance", "kafka-away"], 2)
        assert known.seen == Seen(versions=("kafka-away",))


async def test_the_command_shows_lines_and_json(database_url: str, kafka: Kafka, topics: Topics) -> None:
    async with await Broker.connected(kafka) as broker:
        chronicle = Chronicle(kafka, topics, broker)
        await chronicle.add(happened("worker-gone", ago=3 * 86_400, worker="metrics", name="old"))
        await chronicle.add(happened("database-away", ago=60, reason="\x1b[31mrefused"))
    shown = await headgate(database_url, kafka, topics, "events")
    assert shown.returncode == 0, shown.stderr
    (line,) = shown.stdout.splitlines()
    assert line.endswith("■ PostgreSQL is away: \\x1b[31mrefused")
    listed = await headgate(database_url, kafka, topics, "events", "--since", "7d", "--json")
    assert [json.loads(line)["kind"] for line in listed.stdout.splitlines()] == ["worker-gone", "database-away"]
    refused = await headgate(database_url, kafka, topics, "events", "--since", "yesterday")
    assert (refused.returncode, "neither a span" in refused.stderr) == (2, True)


async def test_without_the_topic_it_says_how_to_get_it(database_url: str, kafka: Kafka) -> None:
    nowhere = Topics("nowhere.")
    async with await Broker.connected(kafka) as broker:
        with pytest.raises(NoTopicError):
            await Chronicle(kafka, nowhere, broker).read()
    done = await headgate(database_url, kafka, nowhere, "events")
    assert (done.returncode, "headgate topics create" in done.stderr) == (1, True)


def test_a_span_is_read_on_any_terminal() -> None:
    gone = Happened(NOW, "gateway-gone", {"instance": "g1", "seconds": 43.0})
    assert "g1 is gone, 43 s after its last heartbeat" in line(gone)


def test_an_entry_is_small() -> None:
    assert len(to_json(happened("rebalance", ago=0, worker="metrics", n=4, partitions="0, 1, 2, 3"))) < 500


@pytest.mark.parametrize(
    ("text", "back"), [("30m", 1_800), ("24h", 86_400), ("2026-11-18T18:00:00+00:00", None), ("2026-11-18", None)]
)
def test_how_far_back(text: str, back: int | None) -> None:
    now = datetime.fromtimestamp(NOW, UTC)
    found = since_when(text, now)
    assert found.tzinfo is not None
    assert back is None or (now - found).total_seconds() == back


@pytest.mark.parametrize("text", ["", "yesterday", "1y", "-3h", "99999999d", "999999d", "0001-01-01T00:00+14:00"])
def test_no_span(text: str) -> None:
    with pytest.raises(typer.BadParameter):
        since_when(text, datetime.fromtimestamp(NOW, UTC))
