"""The figures of one worker in Prometheus's words. Every sample carries the label ``worker``: journal or metrics.

Lag and the counters of the whole topic are the same on every worker of a kind: take the highest over instances, do not
sum. All else is of this process.
"""

from collections.abc import Iterator

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric

from runtime.exposition import labelled, of_histogram, of_process
from runtime.exposition import page as as_text
from stream_workers.exact.lag import Lag
from stream_workers.exact.partitions import Figures
from stream_workers.exact.telemetry import Telemetry
from stream_workers.parts import Worker
from stream_workers.web.look.snapshot import Snapshot

REASONS = ("invalid", "oversized", "tombstone", "unknown-version")

_FIGURES = {
    "events": ("headgate_worker_events", "Events folded"),
    "writes": ("headgate_worker_state_writes", "States written to the changelog"),
    "gaps": ("headgate_worker_gaps", "Gaps found, each read again"),
    "rewinds": ("headgate_worker_rewinds", "Times that reading went back"),
    "stale_batches": ("headgate_worker_stale_batches", "Batches of an earlier assignment that were dropped"),
    "mended": ("headgate_worker_states_mended", "States written again after a late write of another worker"),
}


def page(worker: Worker) -> bytes:
    """The text for Prometheus."""
    return as_text(labelled(_families(worker), worker=worker.kind.name))


def _families(worker: Worker) -> Iterator[Metric]:
    yield from histograms(worker.telemetry)
    yield from figures(worker.partitions.figures)
    yield from lags(worker.lag, worker.backlog.ends)
    yield from states(worker)
    if worker.read_model is not None:
        yield from counted(worker.read_model.snapshot())
    yield from of_process()


def histograms(telemetry: Telemetry) -> Iterator[Metric]:
    """Sizes and times of what was folded."""
    yield of_histogram("headgate_worker_batch_size", "Events in one batch", telemetry.batch_size)
    yield of_histogram("headgate_worker_fold_duration_seconds", "Time to fold one batch", telemetry.fold_seconds)
    yield of_histogram(
        "headgate_accepted_to_consumed_seconds",
        "Time from an application's acceptance until it was folded",
        telemetry.accepted_to_consumed,
    )


def figures(found: Figures) -> Iterator[Metric]:
    """Counters since the start."""
    for field, (name, text) in _FIGURES.items():
        yield CounterMetricFamily(name, text, value=getattr(found, field))


def lags(lag: Lag, ends: dict[int, int]) -> Iterator[Metric]:
    """How far the group is behind, partition by partition."""
    events = GaugeMetricFamily("headgate_lag_events", "Events that wait", labels=("partition",))
    seconds = GaugeMetricFamily("headgate_lag_seconds", "Age of the oldest event that waits", labels=("partition",))
    for partition, behind in sorted(lag.behind().items()):
        events.add_metric((str(partition),), behind.events)
        if behind.seconds is not None:
            seconds.add_metric((str(partition),), behind.seconds)
    end = GaugeMetricFamily("headgate_topic_end_offset", "The next offset of the topic", labels=("partition",))
    for partition, offset in sorted(ends.items()):
        end.add_metric((str(partition),), offset)
    yield from (events, seconds, end)


def states(worker: Worker) -> Iterator[Metric]:
    """What this process is doing now."""
    yield GaugeMetricFamily("headgate_worker_ready", "1 while it takes part", value=worker.missing() is None)
    yield GaugeMetricFamily("headgate_worker_partitions", "Partitions owned", value=len(worker.partitions.owned))
    kafka = GaugeMetricFamily("headgate_dependency_up", "1 while a dependency answers", labels=("dependency",))
    kafka.add_metric(("kafka",), float(worker.backlog.as_of is not None and worker.backlog.away_since is None))
    yield kafka


def counted(snapshot: Snapshot) -> Iterator[Metric]:
    """What the metrics workers have booked, all of them together; kept in Kafka, so it survives every restart."""
    if not snapshot.complete:
        return
    for name, text, value in (
        ("headgate_counted", "Applications counted", snapshot.total),
        ("headgate_replayed", "Events that were marked as published again", snapshot.replayed),
        ("headgate_missing", "Offsets booked as missing", snapshot.missing),
        ("headgate_empty", "Offsets that hold no record", snapshot.empty),
    ):
        yield CounterMetricFamily(name, text, value=value)
    letters = CounterMetricFamily("headgate_dead_letters", "Events that could not be read", labels=("reason",))
    # Zeros from the start: the first dead letter is an increase then, not a series that appears out of nothing.
    for reason, count in sorted({**dict.fromkeys(REASONS, 0), **snapshot.dead_reasons}.items()):
        letters.add_metric((reason,), count)
    yield letters
    exact = all(partition.exact for partition in snapshot.partitions)
    yield GaugeMetricFamily("headgate_counting_exact", "1 while every offset is booked exactly once", value=exact)
