"""What a worker tells when a batch was folded: counted always, traced where a collector is configured."""

import time
from bisect import bisect_left
from collections.abc import Callable, Sequence

from stream_workers.exact import tracing
from stream_workers.kafka.batches import Record
from stream_workers.settings import Kind, Settings

SECONDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)
# Seconds that an application may be under way: an outage may last for hours.
AGES = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 1_800.0, 7_200.0, 43_200.0)
SIZES = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000, 2_000, 5_000)


class Histogram:
    """Counts per bucket, as Prometheus understands them; ``bounds`` are inclusive upper ends."""

    __slots__ = ("bounds", "counts", "total")

    def __init__(self, bounds: Sequence[float]) -> None:
        self.bounds = bounds
        self.counts = [0] * (len(bounds) + 1)
        self.total = 0.0

    def observe(self, value: float) -> None:
        self.counts[bisect_left(self.bounds, value)] += 1
        self.total += value


class Telemetry:
    """The histograms of one worker process; the counters are in ``Figures``."""

    def __init__(self, settings: Settings, kind: Kind, *, clock: Callable[[], float] = time.time) -> None:
        self.batch_size = Histogram(SIZES)
        self.fold_seconds = Histogram(SECONDS)
        self.accepted_to_consumed = Histogram(AGES)
        self.tracing = tracing.start(settings, kind)
        self._clock = clock

    def folded(self, records: Sequence[Record], *, seconds: float) -> None:
        """A batch was folded. A record's timestamp is when its application was accepted."""
        now = self._clock()
        self.batch_size.observe(len(records))
        self.fold_seconds.observe(seconds)
        ages = self.accepted_to_consumed
        bounds, counts, total = ages.bounds, ages.counts, 0.0
        for record in records:
            age = now - record.timestamp / 1000
            counts[bisect_left(bounds, age)] += 1
            total += age
        ages.total += total
        if self.tracing is not None:
            ended = time.time_ns()
            self.tracing.processed(records, began=ended - int(seconds * 1e9), ended=ended)
