"""What is done to the write path while people submit; each fault ends with everything back in place."""

import asyncio

from devstack.kafka.brokers import Brokers
from tests.support.write_path_series import Stack


async def gateway_kills(one: Stack, *, kills: int = 3) -> None:
    """SIGKILL of a random gateway at a random moment, again and again."""
    for _ in range(kills):
        await one.until_accepted(one.rng.randrange(50, 400))
        await one.replace(one.rng.choice(one.gateways))


async def rolling_restarts(one: Stack, *, rounds: int = 1) -> None:
    """SIGTERM to one after the other; the next only when the former is ready again."""
    for _ in range(rounds):
        for gateway in one.gateways:
            await one.until_accepted(200)
            assert await gateway.stop() == 0
            gateway.start()
            await gateway.ready()


async def broker_killed(one: Stack, *, times: int = 1, away_seconds: float = 3) -> None:
    """SIGKILL of the broker, which comes back after a while."""
    for _ in range(times):
        await one.until_accepted(200)
        one.broker.kill()
        await asyncio.sleep(away_seconds)
        await one.until_accepted(200)
        await asyncio.to_thread(one.broker.start)


async def broker_away_and_gateway_killed(one: Stack, *, away_seconds: float = 3) -> None:
    """A gateway dies while the broker is away: its backlog and what it had sent last are another's to settle."""
    await one.until_accepted(200)
    one.broker.kill()
    await one.until_accepted(300)
    await one.replace(one.gateways[0])
    await asyncio.sleep(away_seconds)
    await one.until_accepted(200)
    await asyncio.to_thread(one.broker.start)


async def rolling_restarts_without_a_broker(one: Stack, *, times: int = 1) -> None:
    """SIGTERM to every gateway, one after the other, while the broker is away: each leaves what it owes to another."""
    for _ in range(times):
        await one.until_accepted(200)
        one.broker.kill()
        for gateway in one.gateways:
            await one.until_accepted(200)
            assert await gateway.stop(seconds=120) == 0
            gateway.start()
            await gateway.ready()
        await one.until_accepted(200)
        await asyncio.to_thread(one.broker.start)


async def database_killed(one: Stack, *, times: int = 1) -> None:
    """SIGKILL of PostgreSQL, which comes back at once and recovers."""
    for _ in range(times):
        await one.until_accepted(200)
        await asyncio.to_thread(one.postgres.kill)
        await asyncio.sleep(1)
        await asyncio.to_thread(one.postgres.start)
        await one.until_accepted(100)


async def database_silent(one: Stack, *, seconds: float = 9) -> None:
    """Every process of PostgreSQL stops, longer than a lease, and goes on."""
    await one.until_accepted(200)
    one.postgres.pause()
    try:
        await asyncio.sleep(seconds)
    finally:
        one.postgres.resume()
    await one.until_accepted(100)


async def both_away(one: Stack) -> None:
    """PostgreSQL and the broker are killed, and come back one after the other."""
    await one.until_accepted(200)
    one.broker.kill()
    await asyncio.to_thread(one.postgres.kill)
    await asyncio.sleep(2)
    await asyncio.to_thread(one.postgres.start)
    await one.until_accepted(100)
    await asyncio.to_thread(one.broker.start)


async def brokers_killed_in_turn(one: Stack, *, cluster: Brokers, times: int = 1) -> None:
    """SIGKILL of one broker of three, which comes back before the next goes."""
    for _ in range(times):
        await one.until_accepted(one.rng.randrange(100, 600))
        node = one.rng.choice(cluster.nodes)
        await asyncio.to_thread(node.kill)
        await one.until_accepted(300)
        await asyncio.to_thread(node.start)
