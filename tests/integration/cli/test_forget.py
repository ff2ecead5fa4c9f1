"""`headgate forget` erases a person, and neither that nor retention looks like loss to the audit."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import pytest
from aiokafka.admin import NewTopic

from cli.removal.forget import remains
from cli.topics.admin import admin
from contracts import Topics
from devstack.ports import free_port
from runtime.kafka.clients import Kafka
from stream_workers.kinds import KINDS, METRICS, Kept, Kind
from tests.integration.cli.test_audit import HOUR_AGO, application, audited, headgate, publish, store
from tests.support.write_path import eventually, rows

DAY_AGO = HOUR_AGO - timedelta(days=1)


async def forget(database_url: str, kafka: Kafka, topics: Topics, *words: str) -> dict[str, Any]:
    done = await headgate(database_url, kafka, topics, "forget", "--json", *words)
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


async def names(database_url: str) -> set[str]:
    return {row["user_name"] for row in await rows(database_url, "SELECT user_name FROM applications")}


async def test_a_person_is_erased_and_what_remains_is_said(database_url: str, kafka: Kafka, topics: Topics) -> None:
    applications = [application(number) for number in range(70)]
    await store(database_url, applications)
    await publish(kafka, topics, applications)
    told = await forget(database_url, kafka, topics, "user 3", "--dry-run")
    assert (told["erasable"], told["waiting"], told["erased"]) == (10, 0, 0)
    assert "user 3" in await names(database_url)
    told = await forget(database_url, kafka, topics, "  user 3 ", "--yes")
    assert told["erased"] == 10
    until = {place["where"]: place["until"] for place in told["remains"]}
    month_on = max(each.created_at for each in applications if each.user_name == "user 3") + timedelta(days=30)
    assert until[topics.applications] == month_on.isoformat()
    assert until[topics.dead_letters] is None
    assert await names(database_url) == {f"user {number}" for number in range(7) if number != 3}
    found = await audited(database_url, kafka, topics)
    differences = found.differences
    assert (found.drift, differences.rows, differences.erased, differences.foreign) == (0, 60, 10, 0)


async def test_the_record_of_it_holds_ids_alone(database_url: str, kafka: Kafka, topics: Topics) -> None:
    await store(database_url, [application(3)])
    await rows(
        database_url, f"INSERT INTO idempotency_keys VALUES ('c', 'k', '{application(3).id}', now() + interval '1 day')"
    )
    await rows(database_url, f"INSERT INTO ownerships SELECT '{application(3).id}', gen_random_uuid()")
    await forget(database_url, kafka, topics, "user 3", "--yes")
    [record] = await rows(database_url, "SELECT * FROM erasures")
    assert set(record.keys()) == {"id", "erased_at"}
    assert await rows(database_url, "SELECT FROM idempotency_keys") == []
    assert await rows(database_url, "SELECT FROM ownerships") == []
    traced = await headgate(database_url, kafka, topics, "trace", str(application(3).id))
    assert (traced.returncode, "erased by `headgate forget`" in traced.stdout) == (0, True), traced.stdout


async def test_what_is_still_to_be_published_is_skipped_and_said(
    database_url: str, kafka: Kafka, topics: Topics
) -> None:
    await store(database_url, [application(3)])
    await store(database_url, [application(10)], in_outbox=True)
    assert [application(10).user_name, application(3).user_name] == ["user 3", "user 3"]
    told = await forget(database_url, kafka, topics, "user 3", "--yes")
    assert (told["erased"], told["waiting"]) == (1, 1)
    await rows(database_url, "DELETE FROM outbox")
    assert (await forget(database_url, kafka, topics, "user 3", "--yes"))["erased"] == 1


async def test_real_drift_is_found_beside_what_was_removed_on_purpose(
    database_url: str, kafka: Kafka, topics: Topics
) -> None:
    old = [application(number, at=DAY_AGO) for number in range(20)]
    young = [application(100 + number) for number in range(70)]
    await store(database_url, [*old, *young])
    await publish(kafka, topics, [*old, *young[:-1], young[0]])
    await forget(database_url, kafka, topics, "user 3", "--yes")
    cut = f"{HOUR_AGO - timedelta(hours=2):%Y-%m-%dT%H:%M:%S}"
    done = await headgate(database_url, kafka, topics, "retention", "--before", cut, "--yes", "--json")
    assert json.loads(done.stdout)["removed"] == 17, done.stderr
    found = await audited(database_url, kafka, topics)
    differences = found.differences
    assert (differences.erased, differences.expired, differences.foreign) == (13, 17, 0)
    assert (differences.missing, differences.duplicate, found.drift) == (1, 1, 2)
    traced = await headgate(database_url, kafka, topics, "trace", str(old[0].id))
    assert "expired" in traced.stdout


async def test_a_row_that_nobody_removed_on_purpose_leaves_a_foreign_event(
    database_url: str, kafka: Kafka, topics: Topics
) -> None:
    applications = [application(number) for number in range(10)]
    await store(database_url, applications)
    await publish(kafka, topics, applications)
    connection = await asyncpg.connect(database_url.replace("+asyncpg", ""))
    await connection.execute("DELETE FROM applications WHERE id = $1", applications[4].id)
    await connection.close()
    await forget(database_url, kafka, topics, "user 5", "--yes")
    differences = (await audited(database_url, kafka, topics)).differences
    assert (differences.erased, differences.foreign) == (1, 1)


async def test_a_name_that_nobody_can_have_is_refused(database_url: str, kafka: Kafka, topics: Topics) -> None:
    done = await headgate(database_url, kafka, topics, "forget", "   ")
    assert (done.returncode, "no user name" in done.stderr) == (1, True)


async def test_how_long_kafka_keeps_events_is_unknown_where_it_does_not_say(topics: Topics) -> None:
    """Silence is not "nothing ends it"."""
    places = await remains(Kafka(f"127.0.0.1:{free_port()}"), topics, datetime.now(UTC))
    assert {place.where: place.known for place in places if place.where.startswith(topics.prefix)} == {
        topics.applications: False,
        topics.dead_letters: False,
        METRICS.changelog(topics): False,
    }


async def test_what_a_further_worker_keeps_is_named_too(
    kafka: Kafka, topics: Topics, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In its states, on a topic of its own and elsewhere; how long is Kafka's word."""
    sent = Kept("an alert under the name", topic=lambda topics: f"{topics.prefix}alerts")
    further = Kind(
        "alerts", "windows", 6068, "Tell.", in_states="names of this minute", keeps=(sent, Kept("x", "mail"))
    )
    monkeypatch.setitem(KINDS, "alerts", further)
    day = {"retention.ms": "86400000"}
    async with admin(kafka) as client:
        await client.create_topics([NewTopic(f"{topics.prefix}alerts", 1, 1, topic_configs=day)])
        compact = {"cleanup.policy": "compact"}
        await client.create_topics([NewTopic(further.changelog(topics), 1, 1, topic_configs=compact)])
    now, places = datetime.now(UTC), dict[str, tuple[str, datetime | None]]()

    async def all_told() -> bool:
        """The broker has just made them."""
        told = await remains(kafka, topics, now)
        places.update({place.where: (place.what, place.until) for place in told})
        return all(place.known for place in told)

    await eventually(all_told, what="Kafka's word on every topic")
    assert places[further.changelog(topics)] == ("names of this minute", None)
    assert places[f"{topics.prefix}alerts"] == ("an alert under the name", now + timedelta(days=1))
    assert places["mail"] == ("x", None)


async def test_a_person_is_one_whose_name_was_stored_in_several_forms(
    database_url: str, kafka: Kafka, topics: Topics
) -> None:
    forms = ("Zo\u00eb", "Zoe\u0308")
    await store(database_url, [application(n).model_copy(update={"user_name": name}) for n, name in enumerate(forms)])
    await store(database_url, [application(9)])
    assert (await forget(database_url, kafka, topics, forms[1], "--yes"))["erased"] == 2
    assert await names(database_url) == {application(9).user_name}
