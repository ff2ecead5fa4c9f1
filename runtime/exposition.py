"""Figures in Prometheus's words: histograms that cost little to count, and the page that a scrape gets.

Source: Prometheus text format 0.0.4.
"""

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping, Sequence

from prometheus_client import CollectorRegistry, GCCollector, ProcessCollector, generate_latest
from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector
from prometheus_client.utils import floatToGoString

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

SIZES = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000, 2_000, 5_000)


class Histogram:
    """Counts per bucket; ``bounds`` are inclusive upper ends. ``counts`` has one more, for what is above the last."""

    __slots__ = ("bounds", "counts", "total")

    def __init__(self, bounds: Sequence[float]) -> None:
        self.bounds = bounds
        self.counts = [0] * (len(bounds) + 1)
        self.total = 0.0

    def observe(self, value: float) -> None:
        self.counts[bisect_left(self.bounds, value)] += 1
        self.total += value

    def observe_ages(self, instants_ms: Iterable[int], *, now: float) -> None:
        """The age in seconds of each instant (milliseconds since 1970) at ``now`` (seconds since 1970)."""
        bounds, counts, total = self.bounds, self.counts, 0.0
        for instant in instants_ms:
            age = now - instant / 1000
            counts[bisect_left(bounds, age)] += 1
            total += age
        self.total += total


def of_histogram(name: str, text: str, found: Histogram) -> HistogramMetricFamily:
    """A family of one histogram without labels."""
    family = HistogramMetricFamily(name, text)
    add(family, (), found)
    return family


def add(family: HistogramMetricFamily, labels: tuple[str, ...], found: Histogram) -> None:
    """One more histogram for a family."""
    seen, buckets = 0, []
    for bound, count in zip((*map(floatToGoString, found.bounds), "+Inf"), found.counts, strict=True):
        seen += count
        buckets.append((bound, seen))
    family.add_metric(labels, buckets, found.total)


def of_counts(name: str, text: str, label: str, found: Mapping[str, int]) -> CounterMetricFamily:
    """A family of counters that one label tells apart."""
    family = CounterMetricFamily(name, text, labels=(label,))
    for value, count in sorted(found.items()):
        family.add_metric((value,), count)
    return family


def of_process() -> Iterator[Metric]:
    """CPU, memory and open files of this process, and its garbage collection."""
    registry = CollectorRegistry(auto_describe=False)
    ProcessCollector(registry=registry)
    GCCollector(registry=registry)
    yield from registry.collect()


def labelled(families: Iterable[Metric], **label: str) -> list[Metric]:
    """The same families, each sample with one label more."""
    found = list(families)
    for family in found:
        for index, sample in enumerate(family.samples):
            family.samples[index] = sample._replace(labels={**sample.labels, **label})
    return found


def page(families: Iterable[Metric]) -> bytes:
    """The text for Prometheus; families of the same name are written as one."""
    merged: dict[str, Metric] = {}
    for family in families:
        known = merged.setdefault(family.name, family)
        if known is not family:
            known.samples.extend(family.samples)
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Fixed(list(merged.values())))
    return generate_latest(registry)


class _Fixed(Collector):
    def __init__(self, families: list[Metric]) -> None:
        self._families = families

    def collect(self) -> Iterable[Metric]:
        return self._families
