"""The short form of the fault series of the write path; `make chaos` runs the long one."""

import asyncio
import functools
from pathlib import Path

import pytest
from sqlalchemy.engine import make_url

from cli.settings import Shape
from devstack.kafka.brokers import Brokers
from tests.support import write_path_faults as faults
from tests.support.pooler import Pooler, needs_pgbouncer, pooler
from tests.support.proxy import Proxy, proxy
from tests.support.verdict import Verdict
from tests.support.write_path_series import Fault, OpenStack, Stack, run

# A machine that is busy with other tests restarts a JVM slowly.
pytestmark = pytest.mark.timeout(420)


@pytest.mark.parametrize(
    "fault",
    [
        faults.gateway_kills,
        faults.broker_killed,
        faults.broker_away_and_gateway_killed,
        faults.rolling_restarts_without_a_broker,
        faults.database_killed,
        faults.database_silent,
        faults.both_away,
    ],
    ids=lambda fault: fault.__name__,
)
async def test_nothing_is_lost_doubled_or_reordered(fault: Fault, fragile_stack: OpenStack) -> None:
    async with fragile_stack(seed=1) as one:
        verdict = await run(one, fault)
    print(verdict, dict(one.crowd.outcomes), f"slowest {one.crowd.slowest:.1f} s")  # noqa: T201 -- the report of a series
    assert verdict.clean, verdict
    assert set(one.crowd.outcomes) <= {"201", "503", "refused", "cut"}
    assert one.crowd.slowest < 10


async def test_a_rolling_restart_fails_no_request(fragile_stack: OpenStack) -> None:
    async with fragile_stack(seed=2) as one:
        verdict = await run(one, faults.rolling_restarts)
    assert verdict.clean, verdict
    assert set(one.crowd.outcomes) <= {"201", "refused"}, one.crowd.outcomes


async def test_one_of_three_brokers_killed_fails_no_request(fragile_stack: OpenStack, tmp_path: Path) -> None:
    cluster = Brokers(tmp_path / "kafka", 3, config={"replica.lag.time.max.ms": "3000"})
    try:
        await asyncio.to_thread(cluster.start)
        async with fragile_stack(
            seed=4,
            broker=cluster.nodes[0],
            more={"KAFKA_BOOTSTRAP_SERVERS": cluster.bootstrap},
            shape=Shape(replication_factor=3, min_insync_replicas=2),
        ) as one:
            verdict = await run(one, functools.partial(faults.brokers_killed_in_turn, cluster=cluster))
    finally:
        await asyncio.to_thread(cluster.stop)
    assert verdict.clean, verdict
    assert set(one.crowd.outcomes) == {"201"}, one.crowd.outcomes


async def test_a_connection_cut_in_mid_commit_costs_nothing(
    fragile_stack: OpenStack, fragile_database_url: str
) -> None:
    address = make_url(fragile_database_url)
    async with proxy(str(address.host), address.port or 0) as between:
        proxied = address.set(host="127.0.0.1", port=between.port).render_as_string(hide_password=False)
        async with fragile_stack(seed=3, more={"DATABASE_URL": proxied}) as one:
            verdict: Verdict = await run(one, functools.partial(_cut, between=between))
    assert between.cuts == 5
    assert verdict.clean, verdict
    assert set(one.crowd.outcomes) <= {"201", "503"}, one.crowd.outcomes


async def _cut(one: Stack, *, between: Proxy) -> None:
    for _ in range(5):
        await one.until_accepted(100)
        between.cut_after(b"user ")


@needs_pgbouncer
async def test_a_pooler_killed_costs_nothing(
    fragile_stack: OpenStack, fragile_database_url: str, tmp_path: Path
) -> None:
    async with (
        pooler(fragile_database_url, tmp_path, servers=8) as between,
        fragile_stack(seed=5, more={"DATABASE_URL": between.url}) as one,
    ):
        verdict = await run(one, functools.partial(_kill, between=between))
    assert verdict.clean, verdict
    assert set(one.crowd.outcomes) <= {"201", "503"}, one.crowd.outcomes


async def _kill(one: Stack, *, between: Pooler) -> None:
    """The pooler, thrice; then the database behind it."""
    for _ in range(3):
        await one.until_accepted(100)
        await between.kill()
        await asyncio.sleep(1)
        await between.start()
    await faults.database_killed(one)
