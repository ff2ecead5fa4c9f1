"""What follows a stream or an export through kills of gateways misses nothing and repeats nothing: the short form."""

import functools
from pathlib import Path

import pytest

from contracts import Topics
from devstack.kafka.broker import Broker
from tests.support import failover
from tests.support import write_path_faults as faults
from tests.support.failover import Pair
from tests.support.following import follow
from tests.support.write_path_series import Fault, OpenStack, stack

pytestmark = pytest.mark.timeout(300)


@pytest.mark.parametrize("fault", [faults.gateway_kills, faults.rolling_restarts], ids=lambda fault: fault.__name__)
async def test_gateways_that_come_and_go_leave_no_gap(fault: Fault, fragile_stack: OpenStack) -> None:
    async with fragile_stack(seed=11) as one:
        assert await follow(one, fault, seed=11) == ["", ""]


async def test_a_failover_leaves_no_gap(pair: Pair, fragile_broker: Broker, prefix: str, tmp_path: Path) -> None:
    async with stack(
        postgres=pair.primary,
        broker=fragile_broker,
        database_url=pair.primary.url(),
        topics=Topics(prefix),
        folder=tmp_path,
        seed=12,
        more={"DATABASE_URL": pair.url},
    ) as one:
        fault = functools.partial(failover.primary_and_gateway_killed, pair=pair)
        assert await follow(one, fault, seed=12) == ["", ""]
