"""One long series: a stack, a fault, the verdict, a line of the report."""

import asyncio
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from cli.settings import Shape
from contracts import Topics
from devstack.kafka.broker import Broker
from devstack.postgresql.postgres import Postgres
from tests.support.proxy import Proxy
from tests.support.series_report import Report
from tests.support.verdict import Verdict, judge
from tests.support.write_path_series import Fault, Stack, run, stack

_USERS = 64
# The budget of a gateway: under load, in an outage of any length, and when it takes over many leases at once.
_MEMORY_MAX = 150 * 1024 * 1024


@dataclass
class Series:
    """Runs faults on servers that may be killed, with a database and topics of its own."""

    postgres: Postgres
    broker: Broker
    database_url: str
    topics: Topics
    folder: Path
    report: Report
    outcomes: Counter[str] = field(default_factory=Counter)

    async def run(
        self,
        name: str,
        fault: Fault,
        *,
        seed: int,
        more: Mapping[str, str] | None = None,
        shape: Shape | None = None,
    ) -> Verdict:
        """The crowd submits while the fault is done; then everything comes to rest and is compared."""
        started = time.monotonic()
        async with stack(
            postgres=self.postgres,
            broker=self.broker,
            database_url=self.database_url,
            topics=self.topics,
            folder=self.folder,
            seed=seed,
            users=_USERS,
            more=more,
            shape=shape,
            fresh=True,
        ) as one:
            verdict = await run(one, fault)
        self.outcomes = one.crowd.outcomes
        self.report.add(name, one, verdict, recoveries=self._recoveries(), seconds=time.monotonic() - started)
        assert max(one.memory) < _MEMORY_MAX
        return verdict

    async def run_careless(
        self, part: str, fault: Fault, *, seed: int, seconds: float = 45, shape: Shape | None = None
    ) -> Verdict:
        """The same with gateways that lack a part of the protocol; not in the report, and not waited for for ever."""
        async with stack(
            postgres=self.postgres,
            broker=self.broker,
            database_url=self.database_url,
            topics=self.topics,
            folder=self.folder,
            seed=seed,
            module="tests.support.careless_gateway",
            more={"CARELESS": part},
            shape=shape,
        ) as one:
            try:
                return await run(one, fault, settle_seconds=seconds)
            except AssertionError:  # what it owes stays owed
                return await self._judge(one)

    async def _judge(self, one: Stack) -> Verdict:
        return await judge(self.database_url, self.broker.kafka, self.topics.applications, one.crowd.receipts)

    def _recoveries(self) -> int:
        logs = (log.read_text(errors="replace") for log in self.folder.glob("gateway-*.log"))
        return sum(log.count("A claimed lease is drained") for log in logs)


async def gateway_kills(one: Stack, *, kills: int, accepted: int) -> None:
    """SIGKILL at random moments: of one, of both, of one that drains the lease of the other."""
    for number in range(kills):
        await one.until_accepted(one.rng.randrange(20, max(21, 2 * accepted // kills)))
        victim = one.rng.choice(one.gateways)
        await one.replace(victim)
        if number % 5 == 4:
            await one.replace(next(other for other in one.gateways if other is not victim))
        elif number % 5 == 2:
            await asyncio.sleep(one.rng.uniform(6, 12))  # the lease runs out and is claimed meanwhile
    await one.until_accepted(max(0, accepted - len(one.crowd.receipts)), seconds=1_800)


async def broker_away(one: Stack, *, seconds: float, curve: list[int]) -> None:
    """No broker for a while, under load; ``curve`` gets the gateways' memory meanwhile."""
    await one.until_accepted(1_000)
    await asyncio.to_thread(one.broker.kill)
    begun = len(one.memory)
    await asyncio.sleep(seconds)
    curve += one.memory[begun:]
    await asyncio.to_thread(one.broker.start)


async def backlog_left_behind(one: Stack) -> None:
    """The broker is away, and every gateway is killed before it returns: only PostgreSQL knows."""
    await one.until_accepted(200)
    await asyncio.to_thread(one.broker.kill)
    await one.until_accepted(200)
    for gateway in one.gateways:
        await one.replace(gateway)
    await asyncio.to_thread(one.broker.start)


async def commits_cut(one: Stack, *, between: Proxy, times: int) -> None:
    """A statement reaches PostgreSQL, and its connection is cut before the answer; again and again."""
    for number in range(times):
        await one.until_accepted(one.rng.randrange(20, 200))
        between.cut_after(b"user ")
        while between.cuts == number:  # noqa: ASYNC110 -- a counter of the proxy, not an event
            await asyncio.sleep(0.01)
