"""The recipes of docs/extending.md, followed: each is a patch, applied to a copy of the tree in which all is tried.

Where a patch does not apply any more, the recipe has changed: mend the patch, and the page with it.
"""

import asyncio
import os
import random
import re
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest

from contracts import Topics, time_of, to_headers, to_key
from devstack.ports import free_port
from gateway.database.ids import Ids
from runtime.kafka.clients import Kafka
from stream_workers.kinds import Kind
from tests.pipeline.workers import WorkerProcess, environment
from tests.records import to_value
from tests.support.commands import ROOT
from tests.support.gateways import GatewayProcess
from tests.support.write_path import eventually, outbox_is_empty, records

pytestmark = pytest.mark.timeout(540)

PATCHES = Path(__file__).parent
PAGE = (ROOT / "docs/extending.md").read_text()

_NOT_COPIED = shutil.ignore_patterns(
    ".git",
    ".venv",
    ".uv",
    ".headgate",
    ".*_cache",
    ".hypothesis",
    "node_modules",
    "results",
    "site",
    "screenshots",
)


class Copy:
    """The tree with a patch applied; programs started ``in_it`` are the patched ones.

    What Python has compiled comes with it, as good there as here: files keep the times that it is known by.
    """

    def __init__(self, folder: Path, patch: Path) -> None:
        self.folder = folder
        shutil.copytree(ROOT, folder, ignore=_NOT_COPIED)
        self.run("git", "init", "--quiet")
        self.run("git", "apply", "--whitespace=nowarn", str(patch))

    @property
    def in_it(self) -> dict[str, str]:
        return {**os.environ, "PYTHONPATH": str(self.folder)}

    def run(self, *command: str, **environment: str) -> str:
        """The output; fails with it where the command does."""
        env = {name: value for name, value in self.in_it.items() if not name.startswith("PYTEST_")} | environment
        done = subprocess.run(
            command, cwd=self.folder, env=env, capture_output=True, text=True, timeout=500, check=False
        )
        assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
        return done.stdout

    def tests(self, *paths: str) -> None:
        self.run(sys.executable, "-m", "pytest", "-q", "-n", "0", "-p", "no:cacheprovider", *paths)


def files_of(patch: Path) -> set[str]:
    return set(re.findall(r"^\+\+\+ b/(.*)$", patch.read_text(), re.MULTILINE))


@pytest.mark.parametrize(("patch", "heading"), [("field", "One more field"), ("worker", "One more worker")])
def test_the_page_names_the_files_of_the_patch(patch: str, heading: str) -> None:
    recipe = PAGE.partition(f"## {heading}\n")[2].partition("\n## ")[0]
    named = set(re.findall(r"`([\w./-]+\.\w+)`", recipe))
    touched = files_of(PATCHES / f"{patch}.patch")
    assert {file for file in touched if file not in named} == set()


def test_a_further_field_costs_few_files_of_code() -> None:
    code = {file for file in files_of(PATCHES / "field.patch") if not file.startswith(("tests/", "docs/"))}
    assert len(code) <= 12


def test_a_further_field_goes_every_way(tmp_path: Path) -> None:
    """The suite's own tests, in the patched tree, try whatever field there is."""
    copy = Copy(tmp_path / "tree", PATCHES / "field.patch")
    copy.tests("tests/pipeline/test_one_application.py", "tests/unit/gateway", "tests/unit/stream_workers")


async def test_an_older_gateway_does_not_publish_what_a_newer_one_left(
    empty_database_url: str, kafka: Kafka, topics: Topics, tmp_path: Path
) -> None:
    """A rolling upgrade: a newer gateway is killed while an older one runs, which lacks the field."""
    copy = Copy(tmp_path / "tree", PATCHES / "field.patch")
    settings = {
        "DATABASE_URL": empty_database_url,
        "KAFKA_BOOTSTRAP_SERVERS": kafka.bootstrap_servers,
        "KAFKA_PREFIX": topics.prefix,
        "LEASE_SECONDS": "4",
        "SEND_TIMEOUT_SECONDS": "1",
    }
    copy.run(sys.executable, "-m", "cli", "migrate", **settings)
    cut_off = copy.in_it | settings | {"KAFKA_BOOTSTRAP_SERVERS": f"127.0.0.1:{free_port()}"}
    newer = GatewayProcess(cut_off, tmp_path / "newer.log", folder=copy.folder)
    older = GatewayProcess(settings, tmp_path / "older.log")
    again = GatewayProcess(copy.in_it | settings, tmp_path / "again.log", folder=copy.folder)
    try:
        newer.start()
        await newer.ready()
        left = await _post(newer, {"user_name": "ada", "description": "a boat", "email": "ada@example.org"})
        newer.kill()
        older.start()
        await older.ready()
        await eventually(lambda: _left_alone(older), what="a lease that is left to a newer gateway")
        own = await _post(older, {"user_name": "bob", "description": "a bridge"})
        await eventually(lambda: _is_on_topic(kafka, topics, own["id"]), what="the older gateway's own event")
        assert not await _is_on_topic(kafka, topics, left["id"])
        again.start()
        await again.ready()
        await eventually(lambda: outbox_is_empty(empty_database_url), what="an empty outbox")
        found = {event["id"]: event for event in await _events(kafka, topics)}
        assert found[left["id"]] == left
        assert found[left["id"]]["email"] == "ada@example.org"
        assert len(found) == 2
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{again.port}") as client:
            assert (await client.get(f"/applications/{own['id']}")).json()["email"] is None
    finally:
        for gateway in (newer, older, again):
            if gateway.alive:
                gateway.kill()


async def test_a_further_worker_is_whole_and_exact_through_kills(kafka: Kafka, topics: Topics, tmp_path: Path) -> None:
    copy = Copy(tmp_path / "tree", PATCHES / "worker.patch")
    await asyncio.to_thread(copy.tests, "tests/unit/stream_workers", "tests/deploy")
    environ = copy.in_it | environment(kafka, topics, ALERTS_PER_MINUTE="5") | {"PYTHONPATH": str(copy.folder)}
    copy.run(sys.executable, "-m", "cli", "topics", "create", **environ)
    sent = await _submitted(kafka, topics, count=3_000)
    worker = WorkerProcess("alerts", environ, tmp_path / "alerts.log", folder=copy.folder)
    kind = Kind("alerts", "windows", 6068, "", in_states="")

    async def looked_at(least: int) -> bool:
        worker.keep_up()
        states = await _states(kafka, kind.changelog(topics))
        return least <= sum(int(state["taken"]) for state in states)

    try:
        worker.start()
        for kills in range(1, 3):
            await eventually(lambda least=kills * 500: looked_at(least), what="progress")  # type: ignore[misc]
            worker.kill()
            worker.start()
            sent += await _submitted(kafka, topics, count=1_000)
        await eventually(lambda: looked_at(sum(sent.values())), seconds=120, what="everything")
    finally:
        worker.kill()
    for state in await _states(kafka, kind.changelog(topics)):
        booked = state["taken"] + state["bad"] + state["missing"]
        assert booked == state["last_offset"] - state["first"] + 1
    assert await _alerts(kafka, f"{topics.prefix}applications-alerts") == {
        key: count for key, count in sent.items() if count > 5
    }
    more = environ | {"KAFKA_PARTITIONS": "8"}
    told = copy.run(sys.executable, "-m", "cli", "topics", "grow", "--dry-run", "--json", **more)
    assert kind.changelog(topics) in told


async def _post(gateway: GatewayProcess, new: dict[str, str]) -> dict[str, Any]:
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{gateway.port}", timeout=30) as client:
        answer = await client.post("/applications", json=new)
    assert answer.status_code == 201, answer.text
    body: dict[str, Any] = answer.json()
    return body


async def _left_alone(gateway: GatewayProcess) -> bool:
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{gateway.port}", timeout=30) as client:
        report = (await client.get("/healthz")).json()
    return any("newer version" in reason for reason in report["recovery"]["stopped"].values())


async def _events(kafka: Kafka, topics: Topics) -> list[dict[str, Any]]:
    return [orjson.loads(record.value or b"") for record in await records(kafka, topics.applications)]


async def _is_on_topic(kafka: Kafka, topics: Topics, id_: str) -> bool:
    return id_ in {event["id"] for event in await _events(kafka, topics)}


async def _submitted(kafka: Kafka, topics: Topics, *, count: int) -> Counter[str]:
    """So many events of a few users, all in one minute (of their ids); how many of each user in which minute."""
    chance, sent = random.Random(count), Counter[str]()
    producer = kafka.producer(acks="all", enable_idempotence=True)
    await producer.start()
    try:
        for _ in range(count):
            id_, user = Ids()(), f"user {chance.randint(0, 400)}"
            at = time_of(id_)
            value = to_value(id=id_, user_name=user, description="a boat", created_at=at)
            headers = to_headers(id=id_, created_at=at)
            await producer.send(topics.applications, value, key=to_key(user), headers=headers)
            sent[f"{user}/{int(at.timestamp()) // 60}"] += 1
        await producer.flush()
    finally:
        await producer.stop()
    return sent


async def _states(kafka: Kafka, changelog: str) -> list[dict[str, Any]]:
    newest = {record.partition: record.value for record in await records(kafka, changelog)}
    return [orjson.loads(value) for value in newest.values() if value]


async def _alerts(kafka: Kafka, topic: str) -> dict[str, int]:
    """The highest count that was told under each key: an alert that comes again after a crash is the same one."""
    found: dict[str, int] = {}
    for record in await records(kafka, topic):
        key, count = (record.key or b"").decode(), orjson.loads(record.value or b"")["count"]
        found[key] = max(count, found.get(key, 0))
    return found
