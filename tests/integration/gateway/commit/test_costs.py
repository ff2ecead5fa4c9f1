"""What the hot paths cost, in counts that no machine changes: statements, tasks, system calls, bytes.

Timings are `make bench`'s; these fail when a change makes every request pay for something.
"""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import asyncpg
import pytest

from contracts import Topics, time_of, to_headers, to_key
from gateway.admission.connections.joined_writes import JoinedWrites
from gateway.database.ids import Ids
from gateway.service import Gateway, running
from gateway.settings import Settings
from runtime.kafka.clients import Kafka
from tests.support.http_gateway import NEW, served
from tests.support.write_path import eventually, outbox_is_empty, records, rows, settings_for, submission

new_id = Ids()

MANY = 200


@contextmanager
def statements(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """Every statement that the driver is given while the block lasts."""
    given: list[str] = []
    execute = asyncpg.Connection._execute  # type: ignore[attr-defined]  # private, and not in its types

    async def noting(self: Any, query: str, *args: Any, **kwargs: Any) -> Any:
        given.append(query)
        return await execute(self, query, *args, **kwargs)

    with monkeypatch.context() as patch:
        patch.setattr(asyncpg.Connection, "_execute", noting)
        yield given


async def test_a_group_of_applications_is_one_statement(gateway: Gateway, monkeypatch: pytest.MonkeyPatch) -> None:
    await gateway.writer.submit(submission())
    before = gateway.writer.commits
    with statements(monkeypatch) as given:
        await asyncio.gather(*gateway.writer.submit_all([submission() for _ in range(MANY)]))
    assert gateway.writer.commits == before + 1
    assert sum("INSERT INTO applications" in statement for statement in given) == 1


async def test_a_group_costs_one_outbox_row_and_leaves_none(gateway: Gateway, database_url: str) -> None:
    await asyncio.gather(*gateway.writer.submit_all([submission() for _ in range(MANY)]))
    await eventually(lambda: outbox_is_empty(database_url), what="an empty outbox")
    await eventually(lambda: _has_statistics(database_url), what="statistics")
    [written] = await rows(database_url, "SELECT n_tup_ins FROM pg_stat_user_tables WHERE relname = 'outbox'")
    assert written["n_tup_ins"] == gateway.writer.commits == 1


async def _has_statistics(database_url: str) -> bool:
    query = "SELECT sum(n_tup_ins) AS written FROM pg_stat_user_tables WHERE relname LIKE 'applications%'"
    return bool((await rows(database_url, query))[0]["written"] == MANY)


async def test_a_submission_makes_no_task(gateway: Gateway) -> None:
    before = len(asyncio.all_tasks())
    outcomes = gateway.writer.submit_all([submission() for _ in range(MANY)])
    assert len(asyncio.all_tasks()) == before
    await asyncio.gather(*outcomes)


async def test_a_quiet_gateway_asks_postgresql_less_than_once_in_a_second(
    database_url: str, kafka: Kafka, topics: Topics, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By default. Counted by the heartbeats, not by a clock."""
    defaults = {name: Settings.model_fields[name].default for name in ("lease_seconds", "send_timeout_seconds")}
    async with running(settings_for(database_url, kafka, topics, **defaults)) as quiet:
        lease = await quiet.keeper.held()
        query = f"SELECT heartbeat FROM gateway_leases WHERE id = '{lease}'"
        first = (await rows(database_url, query))[0]["heartbeat"]

        async def beaten_twice() -> bool:
            return bool((await rows(database_url, query))[0]["heartbeat"] >= first + 2)

        began = asyncio.get_running_loop().time()
        with statements(monkeypatch) as given:
            await eventually(beaten_twice, what="two heartbeats")
        passed = asyncio.get_running_loop().time() - began
    ours = [statement for statement in given if statement != query]
    assert len(ours) <= passed + 2, ours


async def test_an_answer_is_one_write(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    written: list[bytes] = []
    out = JoinedWrites._out

    def noting(self: JoinedWrites, data: bytes) -> None:
        written.append(data)
        out(self, data)

    async with served(settings) as server, served(settings, fast=False) as usual:
        for http in (server, usual):
            await http.client.post("/applications", json=NEW)
            monkeypatch.setattr(JoinedWrites, "_out", noting)
            answer = await http.client.post("/applications", json=NEW)
            monkeypatch.setattr(JoinedWrites, "_out", out)
            assert answer.status_code == 201
            [data] = written
            assert data.startswith(b"HTTP/1.1 201 ")
            assert data.endswith(answer.content)
            written.clear()


async def test_an_event_carries_few_bytes_beside_its_value(gateway: Gateway, kafka: Kafka, topics: Topics) -> None:
    accepted = await gateway.writer.submit(submission("Ann", "text"))
    await gateway.publisher.until_idle()
    [record] = await records(kafka, topics.applications)
    assert record.value == accepted.value
    beside = len(record.key or b"") + sum(len(name) + len(value) for name, value in record.headers)
    assert beside <= 300
    assert len(record.value) - len("Ann") - len("text") <= 125


def test_names_of_one_moment_share_one_text() -> None:
    id_ = new_id()
    assert time_of(id_) is time_of(id_)
    headers = dict(to_headers(id=id_, created_at=time_of(id_)))
    assert headers["ce_id"] == str(id_).encode()
    assert to_key("Анна") == "Анна".encode()


def test_ids_rise_within_a_process() -> None:
    ids = [new_id() for _ in range(10_000)]
    assert ids == sorted(ids)
    assert len(set(ids)) == len(ids)
    assert {id_.version for id_ in ids} == {7}
