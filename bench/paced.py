"""Requests at a fixed rate over some connections, each timed from when it was due: what waits counts as waiting.

``python -m bench.paced`` reads a plan that bench/load.py writes, and prints a Load for each kind of request.
"""

import asyncio
import json
import random
import selectors
import sys
import time
from collections import deque
from contextlib import suppress
from functools import partial
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from bench.client import Connection, outcome, refused, requests


class Kind:
    """Prepared requests of one kind, and what became of them."""

    def __init__(self, script: str, path: str, arguments: list[Any], weight: int) -> None:
        self.weight = weight
        self.times: list[float] = []
        self.refused = self.asked = 0
        self._prepared = requests(script, path, [str(each) for each in arguments])

    def next(self) -> bytes:
        self.asked += 1
        return self._prepared[self.asked % len(self._prepared)]

    def outcome(self, seconds: float) -> dict[str, float]:
        return outcome(self.times, seconds, refused=self.refused, broken=self.asked - len(self.times))


class Lines:
    """Connections that are free, and requests that are due and found none."""

    def __init__(self) -> None:
        self._free: deque[Line] = deque()
        self._due: deque[Due] = deque()
        self._under_way = 0
        self.quiet = asyncio.Event()

    def send(self, due: "Due") -> None:
        """Now, or as soon as there is a free connection."""
        self._under_way += 1
        self.quiet.clear()
        if self._free:
            self._free.popleft().send(due)
        else:
            self._due.append(due)

    def opened(self, line: "Line") -> None:
        self._free.append(line)

    def answered(self, line: "Line") -> None:
        self._under_way -= 1
        if self._due:
            line.send(self._due.popleft())
        else:
            self._free.append(line)
        if not self._under_way:
            self.quiet.set()


class Due(NamedTuple):
    """A request, and when it is due."""

    kind: Kind
    request: bytes
    at: float


class Line(Connection):
    """One connection; one that is lost leaves its request without an answer, and is not opened again."""

    def __init__(self, lines: Lines) -> None:
        self._lines = lines
        self._asked: Due | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self._lines.opened(self)

    def send(self, due: Due) -> None:
        self._asked = due
        self._transport.write(due.request)

    def _answered(self, head: bytes) -> None:
        assert self._asked is not None  # noqa: S101 -- for the type checker
        kind = self._asked.kind
        kind.times.append(time.perf_counter() - self._asked.at)
        kind.refused += refused(head)
        self._lines.answered(self)


async def pace(
    *, address: str, kinds: list[Kind], rate: float, connections: int, seconds: float, patience: float
) -> float:
    """Send what is due, drawn by weight; returns how long it was until all was answered, or given up."""
    loop, where, lines, drawn = asyncio.get_running_loop(), urlsplit(address), Lines(), random.Random(1)
    for _ in range(connections):
        await loop.create_connection(partial(Line, lines), where.hostname or "", where.port or 80)
    began = time.perf_counter()
    weights = [kind.weight for kind in kinds]
    for number in range(round(rate * seconds)):
        due = began + number / rate
        await asyncio.sleep(max(0.0, due - time.perf_counter()))
        [kind] = drawn.choices(kinds, weights)
        lines.send(Due(kind, kind.next(), due))
    with suppress(TimeoutError):
        async with asyncio.timeout(patience):
            await lines.quiet.wait()
    return time.perf_counter() - began


def _loop() -> asyncio.AbstractEventLoop:
    """One whose timers are exact to microseconds: those of epoll, and of uvloop, are to the millisecond."""
    return asyncio.SelectorEventLoop(selectors.SelectSelector())


def main(plan: dict[str, Any]) -> None:
    kinds = {name: Kind(**kind) for name, kind in plan.pop("kinds").items()}
    with asyncio.Runner(loop_factory=_loop) as runner:
        seconds = runner.run(pace(kinds=list(kinds.values()), **plan))
    print(json.dumps({name: kind.outcome(seconds) for name, kind in kinds.items()}))


if __name__ == "__main__":
    main(json.load(sys.stdin))
