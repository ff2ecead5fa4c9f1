"""What a worker tells when a batch was folded: counted always, traced where a collector is configured."""

import time
from collections.abc import Callable, Sequence

from runtime.exposition import SIZES, Histogram
from runtime.kafka.records import KafkaRecord
from stream_workers.exact import tracing
from stream_workers.kinds import Kind
from stream_workers.settings import Settings

SECONDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)
# Seconds that an application may be under way: an outage may last for hours.
AGES = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 1_800.0, 7_200.0, 43_200.0)


class Telemetry:
    """The histograms of one worker process; the counters are in ``Figures``."""

    def __init__(self, settings: Settings, kind: Kind, *, clock: Callable[[], float] = time.time) -> None:
        self.batch_size = Histogram(SIZES)
        self.fold_seconds = Histogram(SECONDS)
        self.accepted_to_consumed = Histogram(AGES)
        self.tracing = tracing.start(settings, kind)
        self._clock = clock

    def folded(self, partition: int, records: Sequence[KafkaRecord], *, seconds: float) -> None:
        """A batch was folded. A record's timestamp is when its application was accepted."""
        self.batch_size.observe(len(records))
        self.fold_seconds.observe(seconds)
        self.accepted_to_consumed.observe_ages([record.timestamp for record in records], now=self._clock())
        if self.tracing is not None:
            ended = time.time_ns()
            self.tracing.processed(partition, records, began=ended - int(seconds * 1e9), ended=ended)
