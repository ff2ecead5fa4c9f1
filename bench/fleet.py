"""`python -m bench.fleet`: what a fleet would do, simulated with the costs that `make bench ONLY=plural` measured.

A gateway is one core, has one commit in flight, and takes into the next one whatever came meanwhile. PostgreSQL is some
cores in front of one log, which is flushed for all commits that wait for it at once. That is all the model knows: no
network, no other load, cores like those that were measured.
"""

import heapq
import json
import math
import random
import sys
from bisect import bisect_left
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import linear_regression, quantiles
from typing import Any

from bench.findings import Table
from bench.report import RESULTS, text_of
from bench.series import number

RATES = (5_000, 10_000, 20_000, 50_000, 100_000, 200_000)
POSTGRES_CORES = 16
# As the gateway's own bound on a commit.
_LARGEST_COMMIT = 500
# What a fleet is made large enough for: at so many times the rate 99 of 100 wait no longer than this, in seconds, and
# nothing is left over. How busy a gateway is says little: it commits as often as it can, and more at a time if it must.
_SPARE = 1.4
_P99 = 0.010
_TAKEN = 0.98


@dataclass(frozen=True)
class Costs:
    """Seconds of a core for each application and for each commit, and of the log for each flush."""

    gateway: float
    gateway_commit: float
    postgres: float
    postgres_commit: float
    flush: float


@dataclass(frozen=True)
class Outcome:
    """What came of it; waits in seconds, from the arrival of an application to its durable commit."""

    rate: float
    commit_size: float
    p50: float
    p99: float
    postgres_cores: float
    flushes: float


class Postgres:
    """Cores in front of one log: when a commit that arrives now will be durable."""

    def __init__(self, cores: int, costs: Costs) -> None:
        self._free, self._costs = [0.0] * cores, costs
        self._flush_start = self._flush_end = 0.0
        self.busy, self.flushes = 0.0, 0

    def commit(self, at: float, applications: int) -> float:
        spent = self._costs.postgres_commit + applications * self._costs.postgres
        done = max(at, heapq.heappop(self._free)) + spent
        heapq.heappush(self._free, done)
        self.busy += spent
        if done > self._flush_start:  # too late for the flush that is next
            self._flush_start = max(done, self._flush_end)
            self._flush_end = self._flush_start + self._costs.flush
            self.flushes += 1
        return self._flush_end


class Gateway:
    """Applications come to it at random, evenly in the long run, and wait for its next commit."""

    def __init__(self, rate: float, rng: random.Random) -> None:
        self._rate, self._rng = rate, rng
        self.next = rng.expovariate(rate)
        self.waiting: deque[float] = deque()

    def gather(self, now: float) -> list[float]:
        """When those came that are in the commit which begins now."""
        while self.next <= now:
            self.waiting.append(self.next)
            self.next += self._rng.expovariate(self._rate)
        return [self.waiting.popleft() for _ in range(min(len(self.waiting), _LARGEST_COMMIT))]


def simulate(costs: Costs, rate: float, *, gateways: int, cores: int, seconds: float = 2.0, seed: int = 1) -> Outcome:
    """So many applications a second, spread over the gateways, for so long."""
    rng, postgres = random.Random(seed), Postgres(cores, costs)
    fleet = [Gateway(rate / gateways, rng) for _ in range(gateways)]
    turns = [(gateway.next, index) for index, gateway in enumerate(fleet)]
    heapq.heapify(turns)
    waits: list[float] = []
    commits = 0
    while turns[0][0] < seconds:
        now, index = heapq.heappop(turns)
        came = fleet[index].gather(now)
        durable = postgres.commit(now, len(came))
        waits += [durable - at for at in came]
        commits += 1
        ready = max(durable, now + costs.gateway_commit + len(came) * costs.gateway)
        heapq.heappush(turns, (ready if fleet[index].waiting else max(ready, fleet[index].next), index))
    cut = quantiles(waits, n=100)
    return Outcome(
        rate=len(waits) / seconds,
        commit_size=len(waits) / commits,
        p50=cut[49],
        p99=cut[98],
        postgres_cores=postgres.busy / seconds,
        flushes=postgres.flushes / seconds,
    )


def smallest(costs: Costs, rate: float, *, cores: int) -> tuple[int, Outcome]:
    """The fewest gateways that take this rate with room to spare, and what comes of it.

    RuntimeError where PostgreSQL cannot, however many there are.
    """
    least = math.ceil(rate * _SPARE * (costs.gateway + costs.gateway_commit / _LARGEST_COMMIT))

    def enough(gateways: int) -> bool:
        outcome = simulate(costs, rate * _SPARE, gateways=gateways, cores=cores)
        return outcome.p99 <= _P99 and outcome.rate >= rate * _SPARE * _TAKEN

    gateways = least + bisect_left(range(least, least * 3), True, key=enough)
    if not enough(gateways):
        raise RuntimeError(f"{rate:.0f} a second are too many for {cores} cores of PostgreSQL")
    return gateways, simulate(costs, rate, gateways=gateways, cores=cores)


def measured(figures: Mapping[str, Any]) -> Costs:
    """Costs from what one, two and three gateways took in each round: a smaller commit makes its fixed share show."""
    rounds = [each for name, many in figures.items() if name.endswith(("gateway", "gateways")) for each in many]
    gateway, gateway_commit = _split(rounds, "server")
    postgres, postgres_commit = _split(rounds, "postgresql")
    return Costs(gateway, gateway_commit, postgres, postgres_commit, figures["flush_seconds"])


def _split(rounds: Sequence[Mapping[str, Any]], process: str) -> tuple[float, float]:
    """Seconds for each application and for each commit, of which ``row_versions`` tells how many there were."""
    commits = [each["row_versions"] - 1 for each in rounds]
    line = linear_regression(commits, [each["cpu"][process] / 1e6 for each in rounds])
    return max(line.intercept, 0.0), line.slope


def table(costs: Costs, *, cores: int = POSTGRES_CORES) -> Table:
    lines = []
    for rate in RATES:
        gateways, outcome = smallest(costs, rate, cores=cores)
        figures = (outcome.rate, outcome.commit_size, outcome.p50 * 1e3, outcome.p99 * 1e3)
        shares = (outcome.postgres_cores, outcome.flushes)
        lines.append((number(rate), str(gateways), *map(number, figures + shares)))
    columns = (
        "offered a second",
        "gateways",
        "taken",
        "in a commit",
        "p50 ms",
        "p99 ms",
        "PostgreSQL cores",
        "flushes",
    )
    return Table(f"A fleet, simulated: PostgreSQL of {cores} cores", columns, lines)


def main() -> int:
    for path in sorted(RESULTS.glob("[0-9]*.json"), reverse=True):
        for finding in json.loads(path.read_text())["findings"]:
            if finding["part"] == "plural":
                costs = measured(finding["figures"])
                print(f"{path.name}: {costs}")
                print(text_of(table(costs)))
                return 0
    print("bench: nothing to simulate with yet: `make bench ONLY=plural` measures it", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
