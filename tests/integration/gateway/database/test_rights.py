"""Each right of the least role, taken away while all runs: never a 500 or a traceback, always the right by its name."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from datetime import timedelta

import pytest
from typer.testing import CliRunner

from cli.doctor import database as doctor
from cli.errors import CommandError
from cli.main import app
from contracts import Topics
from gateway.admission.issued_keys import create_key
from gateway.database.connection import open_engine
from gateway.database.rights import GRANTS
from runtime.kafka.clients import Kafka
from tests.support.commands import add_all
from tests.support.http_gateway import NEW, Served, served
from tests.support.managed import SCHEMA, Managed, settings_of
from tests.support.write_path import eventually, execute

COMMANDS = (("audit",), ("keys", "list"), ("recovery", "list"), ("retention", "--keep-months", "600", "--dry-run"))


@dataclass(frozen=True)
class Right:
    """As it is granted, and by which words it is told that it is missing."""

    granted: str
    told: str


def every_right() -> Iterator[Right]:
    yield Right(f'USAGE ON SCHEMA "{SCHEMA}"', f"USAGE on schema {SCHEMA}")
    for table, rights in GRANTS.items():
        for right in rights.split(", "):
            operation, _, column = right.partition(" ")
            of = f" of {column.strip('()')}" if column else ""
            yield Right(f'{right} ON "{SCHEMA}".{table}', f"{operation}{of} on {table}")


@pytest.fixture
async def http(
    allowed: Managed, kafka: Kafka, topics: Topics, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Served]:
    """A gateway of the least role that asks for keys, with a key; commands in this process run as the same role."""
    monkeypatch.setattr("cli.audit.audit.OPEN_FOR", timedelta(0))
    monkeypatch.setattr("gateway.health._FRESH_SECONDS", 0.0)
    own = {"KAFKA_BOOTSTRAP_SERVERS": kafka.bootstrap_servers, "KAFKA_PREFIX": topics.prefix}
    for name, value in (allowed.environment("runner") | own).items():
        monkeypatch.setenv(name, value)
    add_all()
    owner = open_engine(settings_of(allowed, "owner", kafka, topics).postgresql)
    _, key = await create_key(owner, "a test", ("applications:write", "applications:read"), expires_at=None)
    await owner.dispose()
    settings = settings_of(allowed, "runner", kafka, topics, auth_required=True, commit_deadline_seconds=1.0)
    async with served(settings) as running:
        running.client.headers["Authorization"] = f"Bearer {key}"
        yield running


@pytest.mark.timeout(400)
async def test_a_right_that_is_missing_is_named(allowed: Managed, http: Served) -> None:
    role = f"runner_{allowed.name}"
    where = (await http.client.post("/applications", json=NEW)).headers["location"]
    for right in every_right():
        await execute(allowed.admin_url, f"REVOKE {right.granted} FROM {role}")
        await _looked_at(http, right, where)
        findings = await doctor.examine(http.settings)
        assert [one.found for one in findings if one.what == f"rights of {role}"] == [f"{right.told} is missing"]
        if right.granted.startswith(("SELECT", "USAGE")):
            await asyncio.to_thread(_commanded, right)
        await execute(allowed.admin_url, f"GRANT {right.granted} TO {role}")
        await eventually(lambda: _accepts(http), what=f"a gateway that has {right.told} again")


async def _looked_at(http: Served, right: Right, where: str) -> None:
    """What is answered meanwhile; who says that it is ready takes what is sent, with and without a key."""
    health = (await http.client.get("/healthz")).json()
    assert right.told in health["dependencies"]["postgresql"]["reason"], (right, health)
    assert health["status"] != "ok"
    ready = (await http.client.get("/readyz")).status_code == 200
    keyed = {"Idempotency-Key": right.told.replace(" ", "-")}
    posts = [http.client.post("/applications", json=NEW, headers=headers) for headers in ({}, keyed)]
    statuses = {answer.status_code for answer in await asyncio.gather(*posts)}
    assert statuses == {201} if ready else statuses <= {201, 503}, (right, statuses)
    for path in ("/applications", where, f"{where}/status", "/applications/export"):
        assert (await http.client.get(path)).status_code in {200, 503}, (right, path)


def _commanded(right: Right) -> None:
    """What needs the right says its name in one line; the rest works."""
    for words in COMMANDS:
        ended = CliRunner().invoke(app, words)
        if isinstance(ended.exception, CommandError):
            assert right.told in str(ended.exception), (right, words, ended.exception)
            assert "\n" not in str(ended.exception)
        else:
            assert isinstance(ended.exception, SystemExit | None), (right, words, ended.exception)


async def _accepts(http: Served) -> bool:
    ready = (await http.client.get("/readyz")).status_code == 200
    return ready and (await http.client.post("/applications", json=NEW)).status_code == 201
