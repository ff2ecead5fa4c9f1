"""The consumers in examples/, as they stand there: each event has one effect, through repeats and SIGKILL."""

import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

import pytest

from contracts import Topics
from devstack.child import Child, spawn
from runtime.kafka.clients import Kafka
from tests.pipeline.workers import produce
from tests.support.commands import ROOT
from tests.support.write_path import eventually, records

CONSUMERS = ROOT / "examples/consumers"
COMMANDS = {
    "python": [sys.executable, str(CONSUMERS / "python/consumer.py")],
    "faust": [sys.executable, "-m", "faust", "-A", "consumer", "worker", "--without-web"],
}


@pytest.mark.timeout(300)
@pytest.mark.parametrize("name", COMMANDS)
async def test_each_event_has_one_effect(name: str, kafka: Kafka, topics: Topics, tmp_path: Path) -> None:
    await produce(kafka, topics, 300)
    database = tmp_path / "applications.sqlite"
    child = _start(COMMANDS[name], kafka, topics, database, CONSUMERS / name)
    try:
        await eventually(lambda: _reached(database, 1), seconds=90, what="the first effect")
        child.kill()
        await _disturb(kafka, topics)
        child = _start(COMMANDS[name], kafka, topics, database, CONSUMERS / name)
        await eventually(lambda: _reached(database, 301), seconds=90, what="all effects")
        child.process.send_signal(signal.SIGTERM)
    finally:
        child.kill()
    with closing(sqlite3.connect(database)) as connection:
        [[effects]] = connection.execute("SELECT sum(applications) FROM totals")
        [[events]] = connection.execute("SELECT count(*) FROM seen")
    assert (effects, events) == (301, 301)


def test_the_shell_script_is_sound() -> None:
    subprocess.run(["sh", "-n", str(CONSUMERS / "kcat/consume.sh")], check=True, timeout=20)


async def _disturb(kafka: Kafka, topics: Topics) -> None:
    """All again, as after a consumer's crash; a version to come; a replay; and one more event as the last one."""
    producer = kafka.producer(acks="all")
    await producer.start()
    try:
        for record in await records(kafka, topics.applications):
            await producer.send(topics.applications, record.value, key=record.key, headers=list(record.headers))
        newer = [("ce_type", b"headgate.application.submitted.v2"), ("ce_id", b"2")]
        await producer.send(topics.applications, b"\xff", headers=newer)
        again = [("ce_id", b"3"), ("headgate-replayed", b"1")]
        await producer.send_and_wait(topics.applications, b"{}", headers=again)
    finally:
        await producer.stop()
    await produce(kafka, topics, 1)


async def _reached(database: Path, count: int) -> bool:
    try:
        with closing(sqlite3.connect(database)) as connection:
            [[found]] = connection.execute("SELECT count(*) FROM seen")
    except sqlite3.OperationalError:  # it has not made its tables yet
        return False
    return int(found) >= count


def _start(command: Sequence[str], kafka: Kafka, topics: Topics, database: Path, folder: Path) -> Child:
    settings = {
        "KAFKA_BOOTSTRAP_SERVERS": kafka.bootstrap_servers,
        "TOPIC": topics.applications,
        "GROUP": f"{topics.prefix}example",
        "DATABASE": str(database),
        "PYTHONPATH": str(folder),
    }
    return spawn(command, name="the consumer", log=database.with_suffix(".log"), env=os.environ | settings)
