"""A primary with its standby, and failovers between them while people submit."""

import asyncio
from dataclasses import dataclass
from pathlib import Path

from devstack.ports import HOST
from devstack.postgresql.initdb import ROLE
from devstack.postgresql.postgres import Postgres
from devstack.postgresql.standby import Standby
from tests.support.write_path_series import Stack

# pg_rewind reads the former primary's WAL back to the last checkpoint before the promotion. Not an option of the start:
# the recovery that pg_rewind begins with would not know it.
_KEEP_WAL = "ALTER SYSTEM SET wal_keep_size = '512MB'"


@dataclass
class Pair:
    """Two servers that change places at each failover."""

    primary: Postgres
    standby: Standby

    @classmethod
    def start(cls, folder: Path, *, synchronous: bool) -> "Pair":
        """Both, streaming."""
        primary = Postgres(folder / "first")
        pair = cls(primary, Standby(folder / "second", primary))
        try:
            primary.start()
            primary.query(_KEEP_WAL, "SELECT pg_reload_conf()")
            pair.standby.start()
            if synchronous:
                pair.standby.make_synchronous()
        except BaseException:
            pair.kill()
            raise
        return pair

    @property
    def url(self) -> str:
        """As a gateway is told it: both hosts, whoever is the primary."""
        hosts = sorted(f"host={HOST}:{server.port}" for server in (self.primary, self.standby))
        return f"postgresql+asyncpg://{ROLE}:{ROLE}@/{ROLE}?{'&'.join(hosts)}"

    def promote(self) -> None:
        """SIGKILL to the primary, and the standby takes its place."""
        self.primary.kill()
        self.standby.promote()

    def change_places(self, *, synchronous: bool) -> None:
        """After ``promote``: the former primary becomes the standby, rewound, on its old port."""
        former, self.primary = self.primary, self.standby
        self.standby = Standby(former.data_dir, self.primary, port=former.port)
        self.standby.rewind()
        self.standby.start()
        if synchronous:
            self.standby.make_synchronous()

    def kill(self) -> None:
        for server in (self.primary, self.standby):
            server.kill()


async def primary_killed(one: Stack, *, pair: Pair, times: int = 1) -> None:
    """With synchronous replication: SIGKILL of the primary, and the standby takes its place; again and again."""
    for number in range(times):
        await one.until_accepted(one.rng.randrange(100, 400))
        await asyncio.to_thread(pair.promote)
        one.database_url = pair.standby.url()
        await one.until_accepted(200)
        if number + 1 < times:
            await asyncio.to_thread(pair.change_places, synchronous=True)


async def primary_and_gateway_killed(one: Stack, *, pair: Pair) -> None:
    """The primary dies, and a gateway with it: another one claims its lease from the new primary."""
    await one.until_accepted(one.rng.randrange(100, 400))
    await asyncio.to_thread(pair.primary.kill)
    one.gateways[0].kill()
    await asyncio.to_thread(pair.standby.promote)
    one.database_url = pair.standby.url()
    await one.replace(one.gateways[0])
    await one.until_accepted(300)


async def primary_silent(one: Stack, *, pair: Pair) -> None:
    """The primary's machine stops answering, and the standby takes its place; what it was is gone for good."""
    await one.until_accepted(one.rng.randrange(100, 400))
    pair.primary.pause()
    await asyncio.to_thread(pair.standby.promote)
    one.database_url = pair.standby.url()
    await one.until_accepted(200)


async def former_primary_returns(one: Stack, *, pair: Pair) -> None:
    """After a failover the former primary comes back as it was, and takes writes: nobody may write to it."""
    await primary_killed(one, pair=pair)
    await asyncio.to_thread(pair.primary.start)
    await one.until_accepted(100)
    await one.replace(one.gateways[0])
    await one.until_accepted(200)


async def standby_away(one: Stack, *, pair: Pair, seconds: float = 6) -> None:
    """With synchronous replication every commit waits while the standby is away."""
    await one.until_accepted(200)
    await asyncio.to_thread(pair.standby.kill)
    await asyncio.sleep(seconds)
    await asyncio.to_thread(pair.standby.start)
    await one.until_accepted(200)


async def primary_killed_standby_behind(one: Stack, *, pair: Pair) -> None:
    """With asynchronous replication: the standby had not got all when the primary died."""
    await one.until_accepted(200)
    await asyncio.to_thread(pair.standby.stop)
    await one.until_accepted(one.rng.randrange(50, 200))
    await asyncio.to_thread(pair.primary.kill)
    await asyncio.to_thread(pair.standby.start)
    await asyncio.to_thread(pair.standby.promote)
    one.database_url = pair.standby.url()
    await one.until_accepted(200)
