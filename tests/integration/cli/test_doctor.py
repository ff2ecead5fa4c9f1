"""What the doctor finds on real servers, well and ill, and the remedies that it names."""

import asyncio
import json
import socket
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from cli.topics.admin import admin
from contracts import Topics
from devstack.ports import free_port
from runtime.kafka.clients import Kafka
from stream_workers.books.journal import Position, position_to_json
from stream_workers.books.repair import write_states
from stream_workers.books.state import fresh, to_json
from stream_workers.kafka.broker import Broker
from stream_workers.kinds import JOURNAL, METRICS
from tests.support.forked import headgate
from tests.support.topic_settings import set_topic

Doctor = Callable[..., tuple[int, dict[str, dict[str, str]]]]


def run_doctor(settings: Mapping[str, str], folder: Path | None = None) -> tuple[int, dict[str, dict[str, str]]]:
    """Runs `headgate doctor --json` in a folder; gives the exit code and the findings by subject."""
    ports = {"GATEWAY_PORT": str(free_port()), "WORKER_WEB_PORT": str(free_port())}
    done = headgate("doctor", "--json", env={**ports, **settings}, cwd=folder)
    assert done.stdout, done.stderr
    findings: list[dict[str, Any]] = json.loads(done.stdout)
    prefix = f"topic {settings['KAFKA_PREFIX']}"
    return done.returncode, {finding["what"].removeprefix(prefix): finding for finding in findings}


@pytest.fixture
def doctor(tmp_path: Path, database_url: str, kafka: Kafka, topics: Topics) -> Doctor:
    """The doctor in a folder of its own, with this test's servers and what is changed."""

    def run(**changed: str) -> tuple[int, dict[str, dict[str, str]]]:
        settings = {
            "DATABASE_URL": database_url,
            "KAFKA_BOOTSTRAP_SERVERS": kafka.bootstrap_servers,
            "KAFKA_PREFIX": topics.prefix,
        }
        return run_doctor(settings | changed, tmp_path)

    return run


def test_servers_that_are_well(doctor: Doctor) -> None:
    code, found = doctor()
    assert code == 0
    for what in (
        "PostgreSQL",
        "schema",
        "outbox",
        "unpublishable",
        "Kafka",
        "applications",
        "applications-dead-letters",
        "counting",
        "disk",
    ):
        assert found[what]["status"] == "ok", found[what]
    assert found["gateways"]["status"] == found["gateway"]["status"] == "warning"
    assert "headgate gateway" in found["gateways"]["remedy"]


async def test_what_is_wrong_inside_the_servers(
    doctor: Doctor, database_url: str, kafka: Kafka, topics: Topics
) -> None:
    connection = await asyncpg.connect(database_url.replace("+asyncpg", ""))
    try:
        await connection.execute("""
            INSERT INTO outbox (id, lease, ids, positions, created_at)
            VALUES (gen_random_uuid(), gen_random_uuid(), ARRAY[gen_random_uuid()], '{}', now() - interval '1 hour');
            INSERT INTO unpublishable (id, batch, reason) VALUES (gen_random_uuid(), gen_random_uuid(), 'too large');
            INSERT INTO gateway_leases (id, instance, seconds, renewed_at)
            VALUES (gen_random_uuid(), 'gone:8000', 12, now() - interval '1 hour');
            UPDATE alembic_version SET version_num = '0000'
        """)
    finally:
        await connection.close()
    async with admin(kafka) as client:
        await client.delete_topics([METRICS.changelog(topics)])
    code, found = doctor()
    assert code == 1
    assert {what for what, finding in found.items() if finding["status"] == "failed"} == {
        "schema",
        "outbox",
        "metrics-counters-changelog",
    }
    assert "headgate migrate" in found["schema"]["remedy"]
    assert "the oldest 36" in found["outbox"]["found"]
    assert "silent for 36" in found["lease of gone:8000"]["found"]
    assert found["unpublishable"]["status"] == "warning"
    assert "headgate topics create" in found["metrics-counters-changelog"]["remedy"]


async def test_a_topic_of_dead_letters_that_takes_less_than_a_letter(
    doctor: Doctor, kafka: Kafka, topics: Topics
) -> None:
    assert doctor()[1]["applications-dead-letters"]["status"] == "ok"
    await set_topic(kafka, topics.dead_letters, max_message_bytes=1_048_588)
    found = doctor()[1]["applications-dead-letters"]
    assert found["status"] == "warning"
    assert "max.message.bytes to 8388608" in found["remedy"]


async def test_a_topic_that_was_made_anew(doctor: Doctor, kafka: Kafka, topics: Topics) -> None:
    """The counters are of another one, and so is the journal, which reaches further than the topic does."""
    async with await Broker.connected(kafka) as broker:
        id_ = await broker.known_topic_id(topics.applications)
    await write_states(kafka, METRICS.changelog(topics), {0: to_json(fresh("another", 0))})
    position = Position(topic_id=id_, first=0, last_offset=9, logged=10)
    await write_states(kafka, JOURNAL.changelog(topics), {1: position_to_json(position)})
    code, found = await asyncio.to_thread(doctor)
    assert code == 1
    for kind in (METRICS, JOURNAL):
        assert found[f"{kind.name} worker"]["status"] == "failed"
        assert f"--table {kind.table}" in found[f"{kind.name} worker"]["remedy"]


def test_servers_that_are_not_there(doctor: Doctor) -> None:
    nowhere = free_port()
    code, found = doctor(
        DATABASE_URL=f"postgresql+asyncpg://ann:secret@127.0.0.1:{nowhere}/none",
        KAFKA_BOOTSTRAP_SERVERS=f"127.0.0.1:{nowhere}",
        RATE_LIMIT_STORAGE=f"redis://127.0.0.1:{nowhere}/0",
    )
    assert code == 1
    assert found["PostgreSQL"]["status"] == found["Kafka"]["status"] == "failed"
    assert "DATABASE_URL" in found["PostgreSQL"]["remedy"]
    assert "KAFKA_BOOTSTRAP_SERVERS" in found["Kafka"]["remedy"]
    assert found["rate limit's Redis"]["status"] == "warning"
    assert "secret" not in str(found)


def test_a_change_is_told_once_over_runs(tmp_path: Path, database_url: str, kafka: Kafka, topics: Topics) -> None:
    """What listens on the gateway's port comes between two runs of cron, and a program is run for it."""
    port, state, ran = free_port(), tmp_path / "told.json", tmp_path / "ran"
    settings = {
        "DATABASE_URL": database_url,
        "KAFKA_BOOTSTRAP_SERVERS": kafka.bootstrap_servers,
        "KAFKA_PREFIX": topics.prefix,
        "GATEWAY_PORT": str(port),
        "WORKER_WEB_PORT": str(free_port()),
    }
    program = f"sh -c 'echo \"$HEADGATE_WHAT $HEADGATE_BEFORE $HEADGATE_STATUS\" >> {ran}'"

    def watch() -> tuple[int, list[tuple[str, str]]]:
        asked = ("watch", "--once", "--json", "--state", str(state), "--run", program)
        done = headgate(*asked, env=settings, cwd=tmp_path)
        told = [json.loads(line) for line in done.stdout.splitlines()]
        return done.returncode, [(one["what"], one["status"]) for one in told]

    code, told = watch()
    assert code == 0, told
    assert ("gateway", "warning") in told
    assert watch() == (0, [])
    with socket.create_server(("127.0.0.1", port)) as other:
        other.settimeout(0.1)
        assert watch() == (1, [("gateway", "failed")])
    assert watch() == (0, [("gateway", "warning")])
    assert ran.read_text().splitlines()[-2:] == ["gateway warning failed", "gateway failed warning"]
