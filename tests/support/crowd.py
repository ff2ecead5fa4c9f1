"""People who submit, over plain HTTP/1.1: each one after the other, moving on to another gateway when one is gone."""

import asyncio
import json
import random
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from uuid import UUID

from tests.support.gateways import GatewayProcess

ANSWER_SECONDS = 20.0


@dataclass(frozen=True, slots=True)
class Receipt:
    """A 201: which application, the user's how manieth, and by which process of which port."""

    id: UUID
    user_name: str
    number: int
    process: tuple[int, int]


@dataclass
class Crowd:
    """``outcomes`` counts statuses; ``cut``: the connection ended in the middle of a request, outcome unknown."""

    gateways: Sequence[GatewayProcess]
    users: int = 16
    pause: float = 0.0
    seed: int = 0
    receipts: list[Receipt] = field(default_factory=list)
    outcomes: Counter[str] = field(default_factory=Counter)
    slowest: float = 0.0
    stopped: asyncio.Event = field(default_factory=asyncio.Event)

    async def run(self) -> None:
        """Submit until ``stop``."""
        await asyncio.gather(*(self._submit_as(f"user {number}") for number in range(self.users)))

    def stop(self) -> None:
        self.stopped.set()

    async def _submit_as(self, user_name: str) -> None:
        rng = random.Random(f"{self.seed} {user_name}")
        line: _Line | None = None
        number = 0
        while not self.stopped.is_set():
            line = line or await self._connect(rng)
            if line is None:
                await asyncio.sleep(0.05)
                continue
            number += 1
            if not await self._submit(line, user_name, number):
                line = None
            await asyncio.sleep(self.pause)
        if line is not None:
            line.writer.close()

    async def _connect(self, rng: random.Random) -> "_Line | None":
        gateway = rng.choice(self.gateways)
        generation = gateway.generation
        try:
            reader, writer = await asyncio.open_connection("127.0.0.1", gateway.port)
        except OSError:
            self.outcomes["refused"] += 1
            return None
        return _Line(reader, writer, (gateway.port, generation))

    async def _submit(self, line: "_Line", user_name: str, number: int) -> bool:
        """One application; False where the connection is not to be used again."""
        body = json.dumps({"user_name": user_name, "description": f"number {number}"}).encode()
        began = time.monotonic()
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                status, keep, answer = await line.post(body)
        except (OSError, EOFError, TimeoutError) as error:
            self.outcomes["silent" if isinstance(error, TimeoutError) else "cut"] += 1
            line.writer.close()
            return False
        self.slowest = max(self.slowest, time.monotonic() - began)
        self.outcomes[str(status)] += 1
        if status == 201:
            self.receipts.append(Receipt(UUID(json.loads(answer)["id"]), user_name, number, line.process))
        if not keep:
            line.writer.close()
        return keep


@dataclass
class _Line:
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    process: tuple[int, int]

    async def post(self, body: bytes) -> tuple[int, bool, bytes]:
        """Status, whether the connection stays open, and the body."""
        head = b"POST /applications HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        head += b"Content-Length: %d\r\n\r\n"
        self.writer.write(head % len(body) + body)
        answer = (await self.reader.readuntil(b"\r\n\r\n")).lower()
        length = int(answer.split(b"content-length: ")[1].split(b"\r\n")[0])
        status = int(answer.split(b" ")[1])
        return status, b"connection: close" not in answer, await self.reader.readexactly(length)
