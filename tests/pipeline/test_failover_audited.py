"""After a failover the audit names what PostgreSQL lost of what was answered with 201, all of it and nothing else."""

import asyncio
from datetime import timedelta
from pathlib import Path

import httpx
import pytest

from cli.audit.compare import EXAMPLES_OF_EACH
from contracts import Topics
from runtime.kafka.clients import Kafka
from tests.pipeline.test_backup import Stand, published, stored, submit
from tests.support.commands import add_all
from tests.support.failover import Pair
from tests.support.gateways import GatewayProcess
from tests.support.write_path import eventually

pytestmark = pytest.mark.timeout(300)

LOST = EXAMPLES_OF_EACH + 5


@pytest.fixture
def stand(kafka: Kafka, topics: Topics, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Stand:
    """The audit leaves the last minute out; here nothing is under way when it is asked."""
    monkeypatch.setattr("cli.audit.audit.OPEN_FOR", timedelta(0))
    add_all()
    return Stand(kafka, topics, tmp_path)


async def until_accepted(gateway: GatewayProcess) -> str:
    """As a submitter does who is asked to come again: the id of what the new primary took."""
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{gateway.port}", timeout=30) as client:
        async with asyncio.timeout(60):
            while True:
                new = {"user_name": "ada", "description": "a boat"}
                answer = await client.post("/applications", json=new)
                if answer.status_code == 201:
                    return str(answer.json()["id"])
                assert answer.status_code == 503
                await asyncio.sleep(0.1)


@pytest.mark.parametrize("pair", [False], indirect=True, ids=["asynchronous"])
async def test_the_audit_names_all_that_an_asynchronous_standby_lost(pair: Pair, stand: Stand) -> None:
    async with stand.gateway(pair.primary, url=pair.url) as gateway:
        kept = await submit(gateway, 10)
        await stand.until_published(pair.primary)
        await eventually(lambda: has(pair, kept), what="the rows at the standby")
        await asyncio.to_thread(pair.standby.stop)
        lost = await submit(gateway, LOST)
        await stand.until_published(pair.primary)
        await asyncio.to_thread(pair.primary.kill)
        await asyncio.to_thread(pair.standby.start)
        await asyncio.to_thread(pair.standby.promote)
        kept.add(await until_accepted(gateway))
        await stand.until_published(pair.standby)
    rows = await stored(pair.standby)
    assert kept <= rows
    assert lost.isdisjoint(rows)
    assert lost <= set(await published(stand))

    file = stand.folder / "differences"
    done = await stand.command(pair.standby, "audit", "--differences", str(file))
    assert done.exit_code == 0, done.output
    assert sorted(file.read_text().splitlines()) == sorted(f"foreign {id_}" for id_ in lost)
    found = await stand.audit(pair.standby)
    assert {name: found[name] for name in ("rows", "missing", "duplicate", "differing", "foreign", "drift")} == {
        "rows": len(rows),
        "missing": 0,
        "duplicate": 0,
        "differing": 0,
        "foreign": LOST,
        "drift": 0,
    }
    assert len(found["examples"]) == EXAMPLES_OF_EACH
    assert set(found["examples"]) < {f"foreign {id_}" for id_ in lost}


async def test_after_a_synchronous_standby_the_audit_finds_nothing(pair: Pair, stand: Stand) -> None:
    async with stand.gateway(pair.primary, url=pair.url) as gateway:
        accepted = await submit(gateway, LOST)
        await asyncio.to_thread(pair.promote)
        accepted.add(await until_accepted(gateway))
        await stand.until_published(pair.standby)
    rows = await stored(pair.standby)
    assert accepted <= rows
    found = await stand.audit(pair.standby)
    assert (found["rows"], found["events"], found["foreign"], found["drift"]) == (len(rows), len(rows), 0, 0)
    assert found["examples"] == []


async def has(pair: Pair, ids: set[str]) -> bool:
    return ids <= await stored(pair.standby)
