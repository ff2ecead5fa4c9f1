"""One application with every field filled in, on each of its ways: nothing of it is lost or changed on any of them.

The fields are those of the model, so a further field is tried as soon as it is there; where it was forgotten, this is
red (docs/extending.md, "One more field").
"""

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from typer.testing import CliRunner, Result

from cli.main import app
from contracts import REPLAYED_HEADER, Application, NewApplication, Topics, header
from devstack.ports import free_port
from gateway.read.search import Search
from runtime.kafka.clients import Kafka
from stream_workers.kafka.events import canonical
from tests.support.commands import add_all
from tests.support.gateways import GatewayProcess
from tests.support.write_path import Record, eventually, outbox_is_empty, records, rows

FIELDS = tuple(NewApplication.model_fields)
REQUIRED = {name for name, field in NewApplication.model_fields.items() if field.is_required()}
# A name that is a filter of the list, too.
FILTERS = [name for name in FIELDS if name in Search.model_fields]


def filled(which: str, **changed: str) -> dict[str, str]:
    """A text for every field, different in each; ``which`` tells one application from another."""
    return {name: f"{name} of {which} “Ünïcödé”" for name in FIELDS} | changed


@dataclass
class Stand:
    """A gateway before which Kafka is away, and its database."""

    gateway: GatewayProcess
    database_url: str
    kafka: Kafka
    topics: Topics
    folder: Path

    def environment(self, kafka: Kafka) -> dict[str, str]:
        return {
            "DATABASE_URL": self.database_url,
            "KAFKA_BOOTSTRAP_SERVERS": kafka.bootstrap_servers,
            "KAFKA_PREFIX": self.topics.prefix,
            "LEASE_SECONDS": "4",
            "SEND_TIMEOUT_SECONDS": "1",
        }

    async def post(self, new: object, **headers: str) -> httpx.Response:
        async with self.client() as client:
            return await client.post("/applications", json=new, headers=headers)

    async def get(self, path: str, **parameters: str) -> httpx.Response:
        async with self.client() as client:
            return await client.get(path, params=parameters or None)

    def client(self) -> httpx.AsyncClient:
        return httpx.AsyncClient(base_url=f"http://127.0.0.1:{self.gateway.port}", timeout=30)

    async def command(self, *words: str) -> Result:
        return await asyncio.to_thread(CliRunner().invoke, app, words, env=self.environment(self.kafka))

    async def recovered(self) -> dict[str, list[Record]]:
        """The gateway is killed, another one publishes what it left; the records on the topic by their ids."""
        self.gateway.kill()
        other = GatewayProcess(self.environment(self.kafka), self.folder / "other.log")
        other.start()
        try:
            await other.ready()
            await eventually(lambda: outbox_is_empty(self.database_url), what="an empty outbox")
        finally:
            other.kill()
        return await self.on_topic()

    async def on_topic(self) -> dict[str, list[Record]]:
        found: dict[str, list[Record]] = {}
        for record in await records(self.kafka, self.topics.applications):
            found.setdefault(json.loads(record.value or b"")["id"], []).append(record)
        return found


@pytest.fixture
async def stand(
    database_url: str, kafka: Kafka, topics: Topics, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Stand]:
    for module in ("cli.audit.audit", "cli.audit.replay"):
        monkeypatch.setattr(f"{module}.OPEN_FOR", timedelta(0))
    add_all()
    made = Stand(GatewayProcess({}, tmp_path / "none.log"), database_url, kafka, topics, tmp_path)
    made.gateway = GatewayProcess(made.environment(Kafka(f"127.0.0.1:{free_port()}")), tmp_path / "gateway.log")
    made.gateway.start()
    try:
        await made.gateway.ready()
        yield made
    finally:
        made.gateway.kill()


def check(answered: dict[str, Any], sent: dict[str, str]) -> None:
    assert set(answered) == set(Application.model_fields)
    assert {name: answered[name] for name in sent} == sent


async def test_every_way_carries_every_field(stand: Stand) -> None:
    """In by each call, read by each call, published after a kill, replayed and audited."""
    bytes_of: dict[str, bytes] = {}
    for id_, sent in {**await one(stand), **await batch(stand), **await form(stand)}.items():
        answer = await stand.get(f"/applications/{id_}")
        check(answer.json(), sent)
        bytes_of[id_] = answer.content
    listed = await stand.get("/applications")
    assert all(value in listed.content for value in bytes_of.values())

    on_topic = await stand.recovered()
    assert {id_: [record.value for record in found] for id_, found in on_topic.items()} == {
        id_: [value] for id_, value in bytes_of.items()
    }
    assert [id_ for id_, value in bytes_of.items() if canonical(value) is None] == []  # else counting is slow

    await replay(stand, bytes_of)
    await audit(stand, count=len(bytes_of))


async def one(stand: Stand) -> dict[str, dict[str, str]]:
    """With every field, and with as few as may be; a repeated key answers again, but not to other content."""
    full, least = filled("one"), {name: text for name, text in filled("least").items() if name in REQUIRED}
    first = await stand.post(full, **{"Idempotency-Key": "k"})
    again = await stand.post(full, **{"Idempotency-Key": "k"})
    assert (first.status_code, again.content) == (201, first.content)
    for name in FIELDS:
        other = await stand.post({**full, name: "another"}, **{"Idempotency-Key": "k"})
        assert (name, other.status_code) == (name, 422)
    second = await stand.post(least)
    check(first.json(), full)
    check(second.json(), least)
    assert first.content == (await stand.get(f"/applications/{first.json()['id']}")).content
    return {first.json()["id"]: full, second.json()["id"]: least}


async def batch(stand: Stand) -> dict[str, dict[str, str]]:
    """As an array and line by line; a key twice with other content is refused."""
    sent = [filled(f"item {number}") for number in range(4)]
    found: dict[str, dict[str, str]] = {}
    async with stand.client() as client:
        array = await client.post("/applications/batch", json=sent[:2])
        lines = await client.post(
            "/applications/batch",
            content="\n".join(map(json.dumps, sent[2:])),
            headers={"content-type": "application/x-ndjson"},
        )
        for answer, items in ((array, sent[:2]), (lines, sent[2:])):
            found |= {result["id"]: item for result, item in zip(answer.json()["results"], items, strict=True)}
        for name in FIELDS:
            twice = [{**item, "idempotency_key": f"of {name}"} for item in (filled(name), filled(name, **{name: "b"}))]
            refused = await client.post("/applications/batch", json=twice)
            assert [result["status"] for result in refused.json()["results"]] == ["created", "invalid"], name
            found[refused.json()["results"][0]["id"]] = filled(name)
    return found


async def form(stand: Stand) -> dict[str, dict[str, str]]:
    """The page has an input for every field, and stores what is written into it."""
    sent = filled("form")
    async with stand.client() as client:
        page = await client.get("/")
        assert [name for name in FIELDS if f'name="{name}"' not in page.text] == []
        done = await client.post("/", data={**sent, "key": "akey"})
    assert done.status_code == 303
    return {done.headers["location"].partition("accepted=")[2]: sent}


async def replay(stand: Stand, bytes_of: dict[str, bytes]) -> None:
    id_ = next(iter(bytes_of))
    done = await stand.command("replay", "--again", "--id", id_)
    assert done.exit_code == 0, done.output
    _, marked = (await stand.on_topic())[id_]
    assert marked.value == bytes_of[id_]
    assert header(marked.headers, REPLAYED_HEADER) is not None


async def audit(stand: Stand, *, count: int) -> None:
    """Clean; and whatever field is changed on one side is seen."""
    clean = json.loads((await stand.command("audit", "--json")).stdout)
    assert (clean["rows"], clean["drift"]) == (count, 0)
    for name in FIELDS:
        newest = "(SELECT max(id::text)::uuid FROM applications)"
        [before] = await rows(stand.database_url, f"SELECT {name} AS value FROM applications WHERE id = {newest}")
        await rows(stand.database_url, f"UPDATE applications SET {name} = 'changed' WHERE id = {newest}")
        seen = json.loads((await stand.command("audit", "--json")).stdout)
        assert (name, seen["differing"]) == (name, 1)
        await rows(stand.database_url, f"UPDATE applications SET {name} = '{before['value']}' WHERE id = {newest}")


@pytest.mark.parametrize("name", FILTERS)
async def test_a_filter_holds_on_every_page(stand: Stand, name: str) -> None:
    """In the links to other pages, and in the cursor, which is no good for another list."""
    wanted = filled("wanted")[name]
    for number in range(3):
        assert (await stand.post({**filled(str(number)), name: wanted})).status_code == 201
        assert (await stand.post(filled(f"other {number}"))).status_code == 201
    first = await stand.get("/applications", size="2", **{name: wanted})
    assert [item[name] for item in first.json()["items"]] == [wanted] * 2
    assert first.json()["total"] == 3
    assert first.links["next"]["url"] != first.links["first"]["url"]
    following = await stand.get(first.links["next"]["url"])
    assert [item[name] for item in following.json()["items"]] == [wanted]
    cursor = first.json()["next_cursor"]
    by_cursor = await stand.get("/applications", size="2", cursor=cursor, **{name: wanted})
    assert by_cursor.json()["items"] == following.json()["items"]
    assert (await stand.get("/applications", size="2", cursor=cursor)).status_code == 400
