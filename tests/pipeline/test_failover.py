"""The primary dies under load and its standby takes its place; `make chaos` does it again and again."""

import functools
import os
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from contracts import Topics
from devstack.kafka.broker import Broker
from tests.support import failover
from tests.support.failover import Pair
from tests.support.verdict import Verdict
from tests.support.write_path_series import Stack, run, stack

SEED = int(os.environ.get("CHAOS_SEED", "0"))

FailOver = Callable[..., Awaitable[None]]

pytestmark = pytest.mark.timeout(420)


async def fail_over(fault: FailOver, pair: Pair, broker: Broker, prefix: str, folder: Path) -> tuple[Stack, Verdict]:
    async with stack(
        postgres=pair.primary,
        broker=broker,
        database_url=pair.primary.url(),
        topics=Topics(prefix),
        folder=folder,
        seed=SEED,
        more={"DATABASE_URL": pair.url},
    ) as one:
        verdict = await run(one, functools.partial(fault, pair=pair))
    print(verdict, dict(one.crowd.outcomes), f"slowest {one.crowd.slowest:.1f} s")  # noqa: T201 -- the report of a series
    return one, verdict


@pytest.mark.parametrize(
    "fault",
    [
        failover.primary_killed,
        failover.primary_and_gateway_killed,
        failover.primary_silent,
        failover.former_primary_returns,
        failover.standby_away,
    ],
    ids=lambda fault: fault.__name__,
)
async def test_with_a_synchronous_standby_nothing_is_lost_doubled_or_reordered(
    fault: FailOver, pair: Pair, fragile_broker: Broker, prefix: str, tmp_path: Path
) -> None:
    one, verdict = await fail_over(fault, pair, fragile_broker, prefix, tmp_path)
    assert verdict.clean, verdict
    assert set(one.crowd.outcomes) <= {"201", "503", "refused", "cut"}
    assert one.crowd.slowest < 10


@pytest.mark.parametrize("pair", [False], indirect=True, ids=["asynchronous"])
async def test_what_an_asynchronous_standby_lost_is_on_the_topic(
    pair: Pair, fragile_broker: Broker, prefix: str, tmp_path: Path
) -> None:
    _, verdict = await fail_over(failover.primary_killed_standby_behind, pair, fragile_broker, prefix, tmp_path)
    assert verdict.accepted_without_row
    assert verdict.events_without_row >= verdict.accepted_without_row
    assert verdict.rows_without_event == verdict.duplicated == verdict.out_of_order == verdict.outbox == 0, verdict
