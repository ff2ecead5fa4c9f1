"""How a baseline that is no server tells what it did: one JSON line at its end."""

import json
import time
from dataclasses import asdict, dataclass


@dataclass(frozen=True)
class Outcome:
    """So many events in so many seconds, with so much CPU time of its own."""

    events: int
    seconds: float
    cpu_seconds: float

    @property
    def rate(self) -> float:
        return self.events / self.seconds

    @property
    def cpu_us(self) -> float:
        return self.cpu_seconds / self.events * 1e6


class Stopwatch:
    """Wall and CPU time of this process since it was made."""

    def __init__(self) -> None:
        self._began, self._cpu = time.perf_counter(), time.process_time()

    def tell(self, events: int) -> None:
        """Print the outcome."""
        seconds, spent = time.perf_counter() - self._began, time.process_time() - self._cpu
        print(json.dumps(asdict(Outcome(events, seconds, spent))), flush=True)


def told(output: str) -> Outcome | None:
    """What a process printed, once it did."""
    lines = [line for line in output.splitlines() if line.startswith('{"events"')]
    return Outcome(**json.loads(lines[-1])) if lines else None
