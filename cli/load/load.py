"""`headgate load`: posts applications as fast as asked for, reads some again, and measures what comes back.

At a rate, latency counts from the moment at which a request was due, not from when a busy connection got round to it;
otherwise a server that stalls would look fast (coordinated omission).
"""

import asyncio
import itertools
import random
import time
import uuid
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from urllib.parse import SplitResult, urlsplit

from cli.errors import CommandError
from cli.load.connection import Connection
from cli.load.figures import Figures
from cli.load.profile import Profile, due

_RECONNECT_SECONDS = 0.2
_KNOWN = 1_000
# How the answer to a submission begins.
_ID = b'{"id":"'
_WORDS = [
    "water",
    "gate",
    "field",
    "canal",
    "stone",
    "bridge",
    "river",
    "mill",
    "weir",
    "sluice",
    "bank",
    "reed",
    "boat",
    "rain",
    "spring",
    "well",
]


@dataclass(frozen=True)
class Plan:
    """What is asked for. ``rate`` 0 is as fast as the connections go; the first limit that is reached ends the run.

    ``reads`` is the share of requests that read an application of this run again, once there is one.
    """

    url: str
    rate: float = 0.0
    profile: Profile = "steady"
    reads: float = 0.0
    count: int | None = None
    seconds: float | None = 10.0
    connections: int = 64
    users: int = 1000
    idempotency_keys: bool = False


@dataclass
class Traffic:
    """One run: hands out requests in turn, each with the time at which it is due, and books the answers."""

    plan: Plan
    clock: Callable[[], float] = time.perf_counter
    figures: Figures = field(default_factory=Figures)
    read: Figures = field(default_factory=Figures)
    _known: deque[bytes] = field(default_factory=lambda: deque(maxlen=_KNOWN))

    def __post_init__(self) -> None:
        self.target = _target(self.plan.url)
        self._random = random.Random()  # noqa: S311 -- made-up text
        self._start = self.clock()
        self._numbers = itertools.count()
        self._head = (
            f"POST {self.target.path.rstrip('/')}/applications HTTP/1.1\r\nHost: {self.target.netloc}\r\n"
            "Content-Type: application/json\r\n"
        )
        reading = f"GET {self.target.path.rstrip('/')}/applications/%b HTTP/1.1\r\nHost: {self.target.netloc}\r\n\r\n"
        self._reading = reading.encode()

    def next_due(self) -> float | None:
        """When the next request is to be sent, on ``clock``; None when there are no more."""
        number, now = next(self._numbers), self.clock()
        at = self._start + self._due(number) if self.plan.rate else now
        over = self.plan.count is not None and number >= self.plan.count
        late = self.plan.seconds is not None and max(at, now) - self._start >= self.plan.seconds
        return None if over or late else at

    def _due(self, number: int) -> float:
        return due(self.plan.profile, number, rate=self.plan.rate, seconds=self.plan.seconds or 0.0)

    def request(self) -> tuple[Figures, bytes]:
        """One request, complete, and where its answer is booked."""
        if self.plan.reads and self._known and self._random.random() < self.plan.reads:
            return self.read, self._reading % self._random.choice(self._known)
        return self.figures, self._submission()

    def learn(self, body: bytes) -> None:
        """Keep an id that an answer tells, where some are to be read again."""
        if self.plan.reads and body.startswith(_ID):
            self._known.append(body[len(_ID) : len(_ID) + 36])

    def _submission(self) -> bytes:
        user = f"user-{self._random.randrange(self.plan.users):05d}"
        words = " ".join(self._random.choices(_WORDS, k=12))
        body = f'{{"user_name":"{user}","description":"{words}"}}'
        key = f"Idempotency-Key: {uuid.uuid4()}\r\n" if self.plan.idempotency_keys else ""
        return f"{self._head}{key}Content-Length: {len(body)}\r\n\r\n{body}".encode()

    async def run(self) -> None:
        """Until the plan is fulfilled. CommandError if nothing answers at the address at the start."""
        await self._probe()
        self._start = self.clock()
        async with asyncio.TaskGroup() as group:
            for _ in range(self.plan.connections):
                group.create_task(self._keep_connected())
        self.figures.seconds = self.read.seconds = self.clock() - self._start

    async def _probe(self) -> None:
        try:
            transport, _ = await self._connect()
        except (OSError, UnicodeError) as error:
            why = getattr(error, "strerror", None) or error
            raise CommandError(f"nothing answers at {self.plan.url} ({why}): is it running?") from error
        transport.abort()

    async def _keep_connected(self) -> None:
        """One connection after another until there is nothing left to send."""
        while True:
            try:
                _, connection = await self._connect()
                connection.begin()
                if await connection.closed:
                    return
            except OSError:
                due = self.next_due()
                if due is None:
                    return
                await asyncio.sleep(max(due - self.clock(), _RECONNECT_SECONDS))
                self.figures.fail("no connection")

    async def _connect(self) -> tuple[asyncio.Transport, Connection]:
        host, port = str(self.target.hostname), self.target.port or 80
        return await asyncio.get_running_loop().create_connection(lambda: Connection(self), host, port)


def _target(url: str) -> SplitResult:
    with suppress(ValueError):  # a port that is no number, brackets that are no address
        parts = urlsplit(url)
        if parts.scheme == "http" and parts.hostname and parts.port != 0:
            return parts
    raise CommandError(f"{url} is no address for `headgate load`: it looks like http://127.0.0.1:8000")
