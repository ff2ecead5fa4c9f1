"""Who follows the gateways while they are killed, and what must be true of all that they were shown."""

import asyncio
import json
import random
from collections import Counter
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

import httpx

from tests.support.write_path import eventually, rows
from tests.support.write_path_series import Fault, Stack, run

BEGINNING = "00000000-0000-0000-0000-000000000000"


@dataclass
class _Reader:
    """What was shown, and where to go on."""

    ports: Sequence[int]
    seed: int = 0
    seen: list[str] = field(default_factory=list)
    place: str = BEGINNING
    breaks: int = 0


class Follower(_Reader):
    """Reads a stream from any of the gateways and comes back with the last id that it was shown, as a browser does."""

    async def run(self) -> None:
        """Follow until cancelled."""
        rng = random.Random(f"follower {self.seed}")
        while True:
            with suppress(httpx.HTTPError):
                await self._follow(rng.choice(self.ports))
            self.breaks += 1
            await asyncio.sleep(0.05)

    async def _follow(self, port: int) -> None:
        headers = {"Last-Event-ID": self.place}
        async with (
            _client(port) as client,
            client.stream("GET", "/applications/stream", headers=headers) as answer,
        ):
            async for event in events(answer):
                self.place = event.get("id", self.place)
                if "data" in event:
                    self.seen.append(json.loads(event["data"])["id"])


class Exporter(_Reader):
    """Exports again and again, each from where the one before ended, whole or cut."""

    async def run(self) -> None:
        rng = random.Random(f"exporter {self.seed}")
        while True:
            try:
                await self._export(rng.choice(self.ports))
            except httpx.HTTPError:
                self.breaks += 1
            await asyncio.sleep(0.2)

    async def _export(self, port: int) -> None:
        async with (
            _client(port) as client,
            client.stream("GET", "/applications/export", params={"after": self.place}) as answer,
        ):
            answer.raise_for_status()
            async for line in whole_lines(answer):
                self.place = json.loads(line)["id"]
                self.seen.append(self.place)
            self.place = answer.links["next"]["url"].partition("after=")[2]


def _client(port: int) -> httpx.AsyncClient:
    # A heartbeat comes every 15 seconds; a gateway that is killed ends the connection at once.
    return httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=30, trust_env=False)


async def events(answer: httpx.Response) -> AsyncIterator[Mapping[str, str]]:
    """Server-sent events that are complete, field by field; comments are passed over."""
    answer.raise_for_status()
    async for block in _until(answer, b"\n\n"):
        lines = (line.partition(": ") for line in block.decode().splitlines() if not line.startswith(":"))
        yield {name: value for name, _, value in lines}


async def whole_lines(answer: httpx.Response) -> AsyncIterator[bytes]:
    """Lines that have their end; what a cut leaves of one is none."""
    async for line in _until(answer, b"\n"):
        yield line


async def _until(answer: httpx.Response, end: bytes) -> AsyncIterator[bytes]:
    rest = b""
    async for piece in answer.aiter_bytes():
        *whole, rest = (rest + piece).split(end)
        for one in whole:
            yield one


@asynccontextmanager
async def followed(ports: Sequence[int], *, seed: int) -> AsyncIterator[tuple[Follower, Exporter]]:
    """Both, from before the first application on."""
    both = Follower(ports, seed), Exporter(ports, seed)
    tasks = [asyncio.create_task(one.run()) for one in both]
    try:
        yield both
    finally:
        for task in tasks:
            task.cancel()
        outcomes: list[Any] = await asyncio.gather(*tasks, return_exceptions=True)
    assert all(isinstance(outcome, asyncio.CancelledError) for outcome in outcomes), outcomes


async def caught_up(one: Follower | Exporter, database_url: str, *, seconds: float = 60) -> None:
    """Returns once it was told that there is nothing more up to what is the newest in PostgreSQL, shown or not."""
    [newest] = await rows(database_url, "SELECT max(id::text) AS id FROM applications")

    async def reached() -> bool:
        return one.place >= str(newest["id"])

    await eventually(reached, seconds=seconds, what="a place at the newest application")


async def difference(one: Follower | Exporter, database_url: str) -> str:
    """What it was shown against what is stored; empty where each was shown once, in the order of the ids."""
    stored = [str(row["id"]) for row in await rows(database_url, "SELECT id FROM applications ORDER BY id")]
    if one.seen == stored:
        return ""
    missed, twice = set(stored) - set(one.seen), [id_ for id_, count in Counter(one.seen).items() if count > 1]
    strange, in_order = set(one.seen) - set(stored), one.seen == sorted(one.seen)
    return f"{len(missed)} missed, {len(twice)} twice, {len(strange)} not stored, in order: {in_order}"


async def follow(one: Stack, fault: Fault, *, seed: int) -> list[str]:
    """Do the fault to what is followed; what the stream and the export got wrong, and how often each was cut."""
    async with followed([gateway.port for gateway in one.gateways], seed=seed) as both:
        verdict = await run(one, fault)
        found = []
        for follower in both:
            await caught_up(follower, one.database_url)
            found.append(await difference(follower, one.database_url))
        print(verdict, [(len(follower.seen), follower.breaks) for follower in both])  # noqa: T201 -- the report of a series
    assert verdict.clean, verdict
    assert sum(follower.breaks for follower in both) > 0
    return found
