"""The library that tests and `make run` start servers with."""

import subprocess
from pathlib import Path

from cli.settings import Shape
from cli.topics.admin import admin
from cli.topics.create import create
from contracts import Topics
from devstack.kafka.broker import Broker
from devstack.postgresql import initdb
from devstack.postgresql.postgres import Postgres
from migrations import head, migrate
from runtime.postgresql.url import read


async def test_postgres_comes_back_after_sigkill_and_keeps_its_data(tmp_path: Path) -> None:
    server = Postgres(tmp_path / "a folder, with spaces")
    try:
        server.start()
        assert await migrate(server.url()) == head()
        server.kill()
        server.start()
        assert await migrate(server.url()) == head()
    finally:
        server.kill()


async def test_a_broker_comes_back_after_sigkill_and_keeps_its_topics(tmp_path: Path) -> None:
    broker = Broker(tmp_path / "a folder, with späces")
    try:
        broker.start()
        await create(broker.kafka, Topics("kept."), Shape())
        broker.kill()
        broker.start()
        async with admin(broker.kafka) as client:
            assert "kept.applications" in await client.list_topics()
    finally:
        broker.kill()


def test_psql_takes_the_address_that_is_shown(postgres: Postgres) -> None:
    command = [*initdb.command("psql"), "-Atc", "SELECT current_user", read(postgres.url()).as_text()]
    assert subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout == "headgate\n"


async def test_what_a_killed_broker_unpacked_stays_in_its_folder_and_goes(tmp_path: Path) -> None:
    """The library for snappy is unpacked when the first such batch comes, and deleted by a stop in good order only."""
    broker = Broker(tmp_path / "broker")
    try:
        broker.start()
        await create(broker.kafka, Topics(), Shape())
        producer = broker.kafka.producer(compression_type="snappy")
        await producer.start()
        await producer.send_and_wait(Topics().applications, b"x" * 1_000)
        await producer.stop()
        unpacked = list((tmp_path / "broker" / "tmp").iterdir())
        broker.kill()
        assert any("snappy" in path.name for path in unpacked)
        broker.launch()
        assert not any(path.exists() for path in unpacked)
    finally:
        broker.kill()
