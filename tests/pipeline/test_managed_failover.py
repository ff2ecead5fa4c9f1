"""Failovers of managed services: the address stays, what is behind it changes, and meanwhile it takes no writes.

Amazon RDS (Multi-AZ), Cloud SQL (high availability) and CloudNativePG (its service `-rw`) say: connections are cut, new
ones are refused or lead to a server that is read-only for a while, then all is as before, behind the same address.
"""

import asyncio
import os
from pathlib import Path

import pytest

from contracts import Topics
from devstack.kafka.broker import Broker
from devstack.ports import HOST
from devstack.postgresql.initdb import ROLE
from tests.support.failover import Pair
from tests.support.proxy import Proxy, proxy
from tests.support.write_path import eventually
from tests.support.write_path_series import Stack, run, stack

SEED = int(os.environ.get("CHAOS_SEED", "0"))

pytestmark = pytest.mark.timeout(420)


async def until_refused(one: Stack) -> None:
    """Let people be told that it cannot be now."""
    before = one.crowd.outcomes["503"]

    async def told() -> bool:
        return one.crowd.outcomes["503"] > before

    await eventually(told, what="a 503")


async def cut_and_promoted(one: Stack, pair: Pair, service: Proxy) -> None:
    """RDS: the primary is gone, connections are cut, the address refuses, then leads to the standby of before."""
    await asyncio.to_thread(pair.primary.kill)
    service.cut()
    await until_refused(one)
    await asyncio.to_thread(pair.standby.promote)
    one.database_url = pair.standby.url()
    service.lead_to(pair.standby.port)
    await one.until_accepted(100)
    await asyncio.to_thread(pair.change_places, synchronous=True)


async def switched_over(one: Stack, pair: Pair, service: Proxy) -> None:
    """CloudNativePG: the primary is stopped in good order, and the address still leads to it when it is a standby.

    Nobody cuts what is connected to it then: whoever is refused leaves by itself.
    """
    former = pair.primary.port
    await asyncio.to_thread(pair.primary.stop)
    await asyncio.to_thread(pair.standby.promote)
    one.database_url = pair.standby.url()
    await asyncio.to_thread(pair.change_places, synchronous=True)
    assert pair.standby.port == former
    await until_refused(one)
    service.lead_to(pair.primary.port)
    await one.until_accepted(100)


async def read_only_for_a_while(one: Stack, pair: Pair, service: Proxy) -> None:  # noqa: ARG001 -- as the others
    """Cloud SQL, a full disk: the same server takes no writes, and does again."""
    change = "ALTER SYSTEM SET default_transaction_read_only = {}"
    await asyncio.to_thread(pair.primary.query, change.format("on"), "SELECT pg_reload_conf()")
    await until_refused(one)
    again = ("SET default_transaction_read_only = off", "ALTER SYSTEM RESET default_transaction_read_only")
    await asyncio.to_thread(pair.primary.query, *again, "SELECT pg_reload_conf()")
    await one.until_accepted(100)


async def test_nothing_is_lost_and_the_gateways_return_by_themselves(
    pair: Pair, fragile_broker: Broker, prefix: str, tmp_path: Path
) -> None:
    async def all_of_them(one: Stack) -> None:
        await one.until_accepted(200)
        for what in (read_only_for_a_while, cut_and_promoted, switched_over):
            await what(one, pair, service)

    async with (
        proxy(HOST, pair.primary.port) as service,
        stack(
            postgres=pair.primary,
            broker=fragile_broker,
            database_url=pair.primary.url(),
            topics=Topics(prefix),
            folder=tmp_path,
            seed=SEED,
            more={"DATABASE_URL": f"postgres://{ROLE}:{ROLE}@{HOST}:{service.port}/{ROLE}?connect_timeout=2"},
        ) as one,
    ):
        verdict = await run(one, all_of_them)
    assert verdict.clean, verdict
    assert set(one.crowd.outcomes) <= {"201", "503", "refused", "cut"}, one.crowd.outcomes
    assert all(gateway.generation == 1 for gateway in one.gateways)
