"""Long series of faults against the write path: `make chaos` runs them.

``CHAOS_SEED`` (0) decides when each fault comes, ``CHAOS_KILLS`` (100) how many gateways are killed and
``CHAOS_APPLICATIONS`` (200000) how many applications are accepted meanwhile. The table is printed and kept as JSON in
``CHAOS_REPORT`` (.headgate/chaos.json).
"""

import asyncio
import functools
import os
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy.engine import make_url

from cli.settings import Shape
from contracts import Topics
from devstack.kafka.broker import Broker
from devstack.kafka.brokers import Brokers
from devstack.postgresql.postgres import Postgres
from tests.support import failover
from tests.support import write_path_faults as faults
from tests.support.chaos_series import Series, backlog_left_behind, broker_away, commits_cut, gateway_kills
from tests.support.failover import Pair
from tests.support.following import follow
from tests.support.proxy import proxy
from tests.support.retention import idle_partition, idle_partition_emptied
from tests.support.series_report import Report
from tests.support.write_path_series import Fault, stack

SEED = int(os.environ.get("CHAOS_SEED", "0"))
KILLS = int(os.environ.get("CHAOS_KILLS", "100"))
APPLICATIONS = int(os.environ.get("CHAOS_APPLICATIONS", "200000"))
REPORT = Path(os.environ.get("CHAOS_REPORT", ".headgate/chaos.json"))

# With so many, some have none of the crowd's users.
_PARTITIONS = 32

_ROUNDS = 5  # the kills are spread over so many series, each with a database and topics of its own

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(3_600)]


def _name(fault: Callable[..., Awaitable[None]]) -> str:
    """``broker_killed 5`` for a partial of ``broker_killed`` with ``times=5``."""
    function = fault.func if isinstance(fault, functools.partial) else fault
    values = fault.keywords.values() if isinstance(fault, functools.partial) else ()
    return " ".join(map(str, (function.__name__, *values)))


@pytest.fixture(scope="session")
def report() -> Iterator[Report]:
    """What every series of this run came to."""
    one = Report(REPORT)
    yield one
    one.show()


@pytest.fixture
def series(
    fragile_postgres: Postgres,
    fragile_broker: Broker,
    fragile_database_url: str,
    prefix: str,
    tmp_path: Path,
    report: Report,
) -> Series:
    """Runs one series on servers that may be killed, with a database and topics of its own."""
    return Series(fragile_postgres, fragile_broker, fragile_database_url, Topics(prefix), tmp_path, report)


@pytest.mark.parametrize("number", range(_ROUNDS))
async def test_gateways_killed_at_random_moments(series: Series, number: int) -> None:
    kills = functools.partial(gateway_kills, kills=KILLS // _ROUNDS, accepted=APPLICATIONS // _ROUNDS)
    verdict = await series.run(f"gateway killed, {number}", kills, seed=SEED + number)
    assert verdict.clean, verdict


@pytest.mark.parametrize(
    "fault",
    [
        functools.partial(faults.broker_killed, times=5),
        functools.partial(faults.broker_killed, times=1, away_seconds=30),
        functools.partial(faults.broker_away_and_gateway_killed, away_seconds=10),
        functools.partial(faults.rolling_restarts_without_a_broker, times=5),
        functools.partial(faults.database_killed, times=5),
        functools.partial(faults.database_silent, seconds=9),
        functools.partial(faults.database_silent, seconds=35),
        faults.both_away,
    ],
    ids=lambda fault: _name(fault),
)
async def test_servers_killed_silent_and_away(series: Series, fault: Fault, request: pytest.FixtureRequest) -> None:
    verdict = await series.run(request.node.callspec.id, fault, seed=SEED)
    assert verdict.clean, verdict


async def test_rolling_restarts_fail_no_request(series: Series) -> None:
    verdict = await series.run("rolling restarts", functools.partial(faults.rolling_restarts, rounds=5), seed=SEED)
    assert verdict.clean, verdict
    assert set(series.outcomes) <= {"201", "refused"}, series.outcomes


async def test_commits_cut_off_in_the_middle(series: Series) -> None:
    address = make_url(series.database_url)
    async with proxy(str(address.host), address.port or 0) as between:
        proxied = address.set(host="127.0.0.1", port=between.port).render_as_string(hide_password=False)
        cuts = functools.partial(commits_cut, between=between, times=30)
        verdict = await series.run("cut in mid-commit", cuts, seed=SEED, more={"DATABASE_URL": proxied})
    assert verdict.clean, verdict
    assert between.cuts == 30


async def test_memory_stays_flat_while_the_broker_is_away(series: Series) -> None:
    """Whatever an outage of a minute does not add, one of an hour does not add either."""
    curve: list[int] = []
    verdict = await series.run(
        "broker away 60 s, memory", functools.partial(broker_away, seconds=60, curve=curve), seed=SEED
    )
    assert verdict.clean, verdict
    third = len(curve) // 3
    assert max(curve[-third:]) < max(curve[third:-third]) + 15 * 1024 * 1024, curve
    assert max(curve) < 150 * 1024 * 1024


def _emptied(*, times: int, kept_seconds: float | None = None) -> Fault:
    idle = idle_partition((f"user {number}" for number in range(64)), _PARTITIONS)
    return functools.partial(idle_partition_emptied, partition=idle, times=times, kept_seconds=kept_seconds)


async def test_retention_empties_an_idle_partition(series: Series) -> None:
    fault = _emptied(times=5)
    shape = Shape(partitions=_PARTITIONS)
    verdict = await series.run("idle partition emptied 5", fault, seed=SEED, shape=shape)
    assert verdict.clean, verdict


async def test_brokers_of_a_cluster_killed_in_turn(
    fragile_postgres: Postgres, fragile_database_url: str, prefix: str, tmp_path: Path, report: Report
) -> None:
    cluster = Brokers(tmp_path / "kafka", 3, config={"replica.lag.time.max.ms": "3000"})
    try:
        await asyncio.to_thread(cluster.start)
        series = Series(
            fragile_postgres,
            cluster.nodes[0],
            fragile_database_url,
            Topics(prefix),
            tmp_path,
            report,
        )
        verdict = await series.run(
            "one of three brokers killed",
            functools.partial(faults.brokers_killed_in_turn, cluster=cluster, times=6),
            seed=SEED,
            more={"KAFKA_BOOTSTRAP_SERVERS": cluster.bootstrap},
            shape=Shape(replication_factor=3, min_insync_replicas=2),
        )
    finally:
        await asyncio.to_thread(cluster.stop)
    assert verdict.clean, verdict
    assert set(series.outcomes) == {"201"}, series.outcomes


@pytest.mark.parametrize(
    "fault",
    [
        functools.partial(failover.primary_killed, times=5),
        failover.primary_and_gateway_killed,
        failover.primary_silent,
        failover.former_primary_returns,
        functools.partial(failover.standby_away, seconds=20),
    ],
    ids=lambda fault: _name(fault),
)
async def test_failovers_to_a_synchronous_standby(
    pair: Pair,
    fragile_broker: Broker,
    prefix: str,
    tmp_path: Path,
    report: Report,
    fault: Callable[..., Awaitable[None]],
    request: pytest.FixtureRequest,
) -> None:
    series = Series(pair.primary, fragile_broker, pair.primary.url(), Topics(prefix), tmp_path, report)
    done = functools.partial(fault, pair=pair)
    verdict = await series.run(
        f"failover: {request.node.callspec.id}", done, seed=SEED, more={"DATABASE_URL": pair.url}
    )
    assert verdict.clean, verdict


async def test_what_is_followed_has_no_gap_through_kills(series: Series) -> None:
    kills = functools.partial(gateway_kills, kills=KILLS // _ROUNDS, accepted=APPLICATIONS // _ROUNDS)
    assert await _followed(series, kills) == ["", ""]


async def test_without_a_floor_the_series_finds_gaps(series: Series) -> None:
    kills = functools.partial(gateway_kills, kills=8, accepted=4_000)
    assert any(await _followed(series, kills, module="tests.support.careless_gateway", more={"CARELESS": "floor"}))


async def _followed(series: Series, fault: Fault, **more: Any) -> list[str]:
    async with stack(
        postgres=series.postgres,
        broker=series.broker,
        database_url=series.database_url,
        topics=series.topics,
        folder=series.folder,
        seed=SEED,
        users=64,
        **more,
    ) as one:
        return await follow(one, fault, seed=SEED)


async def test_without_recovery_the_series_finds_losses(series: Series) -> None:
    verdict = await series.run_careless("recovery", backlog_left_behind, seed=SEED)
    assert verdict.lost, verdict


async def test_without_reconciliation_the_series_finds_duplicates(series: Series) -> None:
    kills = functools.partial(gateway_kills, kills=8, accepted=2_000)
    verdict = await series.run_careless("reconciliation", kills, seed=SEED)
    assert verdict.duplicated, verdict


async def test_without_fresh_positions_the_series_finds_drains_that_stop(series: Series) -> None:
    fault, shape = _emptied(times=1, kept_seconds=5), Shape(partitions=_PARTITIONS)
    verdict = await series.run_careless("positions", fault, seed=SEED, shape=shape)
    assert verdict.lost, verdict
    assert verdict.outbox, verdict
