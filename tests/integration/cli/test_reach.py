"""After retention the topic tells less: audit and `replay --missing` judge each partition by what it still holds."""

from collections.abc import Sequence
from datetime import UTC, datetime

from aiokafka.admin import RecordsToDelete
from aiokafka.structs import ConsumerRecord, TopicPartition

from cli.topics.admin import admin
from contracts import Topics, first_id, is_replay, last_id, to_headers, to_key
from runtime.kafka.clients import Kafka
from stream_workers.kafka.reader import bounds
from tests.integration.cli.test_audit import HOUR_AGO, application, audited, headgate, publish, store
from tests.records import to_value
from tests.support.write_path import records


async def cut(kafka: Kafka, topics: Topics, before: dict[int, int]) -> None:
    """As retention does it: the logs start later now."""
    async with admin(kafka) as client:
        at = {TopicPartition(topics.applications, number): RecordsToDelete(end) for number, end in before.items()}
        await client.delete_records(at)


async def said(database_url: str, kafka: Kafka, topics: Topics, *words: str) -> str:
    done = await headgate(database_url, kafka, topics, *words)
    assert done.returncode in {0, 1, 3}, done.stderr
    return done.stdout + done.stderr


async def topic(kafka: Kafka, topics: Topics) -> Sequence["ConsumerRecord[bytes, bytes]"]:
    return await records(kafka, topics.applications)


async def test_what_retention_took_is_not_missing(database_url: str, kafka: Kafka, topics: Topics) -> None:
    """One partition is empty, another was cut amid a millisecond; what is lost elsewhere is found all the same."""
    applications = [application(number, at=HOUR_AGO) for number in range(100)]
    shared = [
        each.model_copy(update={"id": type(each.id)(int=applications[0].id.int + 1000 + number), "user_name": "user 3"})
        for number, each in enumerate(applications[:20])
    ]
    shared = [each.model_copy(update={"created_at": applications[0].created_at}) for each in shared]
    await store(database_url, [*shared, *applications])
    lost = applications[-1]
    await publish(kafka, topics, [*shared, *applications[:-1]])
    place = {record.key: record.partition for record in await topic(kafka, topics)}
    amid, empty = place[b"user 3"], next(number for number in place.values() if number != place[b"user 3"])
    if place[lost.user_name.encode()] == empty:
        empty = next((number for number in place.values() if number not in {amid, empty}), empty)
    assert place[lost.user_name.encode()] != empty
    ends = await bounds(kafka, topics.applications)
    await cut(kafka, topics, {amid: 10, empty: ends[empty][1]})
    found = await audited(database_url, kafka, topics)
    untold = 20 + sum(place[each.user_name.encode()] == empty for each in applications)
    first = [each for each in applications[:1] if place[each.user_name.encode()] == amid]
    assert found.differences.missing == 1, found.differences
    assert found.differences.untold == untold + len(first)
    assert found.differences.rows == 120 - found.differences.untold
    assert found.drift == 1
    told = await said(database_url, kafka, topics, "replay", "--missing", "--dry-run")
    assert "1 would be published" in told
    assert f"{found.differences.untold} are older than what the topic holds" in told


async def test_a_replay_carries_its_own_time_and_does_not_move_the_range(
    database_url: str, kafka: Kafka, topics: Topics
) -> None:
    applications = [application(number) for number in range(60)]
    await store(database_url, applications)
    await publish(kafka, topics, applications[:30])
    told = await said(database_url, kafka, topics, "replay", "--again", "--id", str(applications[0].id))
    assert "1 published" in told
    marked = next(record for record in await topic(kafka, topics) if is_replay(record.headers))
    assert marked.timestamp == int(applications[0].created_at.timestamp() * 1000)
    # The same as a version before wrote it, with the time of its writing: the first that the topic still holds.
    start = {number: end for number, (_, end) in (await bounds(kafka, topics.applications)).items()}
    await publish(kafka, topics, applications[:7], replayed=True)
    await publish(kafka, topics, applications[30:])
    await cut(kafka, topics, start)
    found = await audited(database_url, kafka, topics)
    assert found.drift == 0
    # 30 events, of which each partition's first says from when on.
    assert found.differences.rows == 30 - len({record.partition for record in await topic(kafka, topics)})


async def test_events_of_others_do_not_say_how_far_back_the_topic_goes(
    database_url: str, kafka: Kafka, topics: Topics
) -> None:
    """One dated to come, one of long ago, both well formed, stand at the head of every partition after the cut."""
    applications = [application(number) for number in range(80)]
    await store(database_url, applications)
    await publish(kafka, topics, applications[:40])
    start = {number: end for number, (_, end) in (await bounds(kafka, topics.applications)).items()}
    async with kafka.producer() as producer:
        for number in start:
            for at in (first_id(datetime(9000, 1, 1, tzinfo=UTC)), last_id(datetime(1971, 1, 1, tzinfo=UTC))):
                created_at = datetime(2020, 1, 1, tzinfo=UTC)
                value = to_value(id=at, user_name="eve", description="x", created_at=created_at)
                headers = to_headers(id=at, created_at=created_at)
                await producer.send_and_wait(
                    topics.applications, value, key=to_key("eve"), headers=headers, partition=number
                )
    await publish(kafka, topics, applications[40:])
    await cut(kafka, topics, start)
    found = await audited(database_url, kafka, topics)
    assert found.differences.missing == 0
    assert 20 <= found.differences.rows < 40
