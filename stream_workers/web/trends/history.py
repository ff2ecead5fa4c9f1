"""History: rate, latency and the longest wait over a span that the reader chooses, and how they were in the one before.

All of it comes from the states, so that every worker shows the same, also after a restart; only the lag of the last
quarter of an hour is what this worker has seen.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from stream_workers.books.histogram import Histogram, quantile
from stream_workers.books.series import DAY, HOUR, MINUTE, Series
from stream_workers.books.sketches.latencies import longest
from stream_workers.web.look.board import Look
from stream_workers.web.look.read_model import SAMPLE_SECONDS, ReadModel
from stream_workers.web.look.snapshot import Sample, Snapshot
from stream_workers.web.trends.spans import CHART_SECONDS, CHOSEN, SPANS, Span

# A worker that is busy samples a little late.
_GAP_SECONDS = 4 * SAMPLE_SECONDS

Row = tuple[float, *tuple[float | None, ...]]
Windows = Mapping[int, Histogram]

# Of an open window this much must be over before it has an average.
_OPEN_SHARE = 20
COLUMNS = {
    "rate": ("at", "per_second", "former"),
    "latency": ("at", "p50_ms", "p99_ms", "former_p99_ms"),
    "wait": ("at", "seconds", "former"),
}


class History:
    """Keeps what was merged of the states for as long as it is as good as new."""

    def __init__(self, read_model: ReadModel, *, clock: Callable[[], float] = time.time) -> None:
        self._read_model = read_model
        self._clock = clock
        self._merged: dict[int, tuple[float, Windows]] = {}

    def facts(self, look: Look, chosen: str) -> dict[str, Any]:
        """The facts of the page and of its JSON; ``chosen`` is one of SPANS, else what is shown by default."""
        name = chosen if chosen in SPANS else CHOSEN
        span = SPANS[name]
        windows, former = self._windows(span.latency, span.again), self._windows(span.former, span.again)
        return {
            "range": name,
            "ranges": list(SPANS),
            "seconds": span.seconds,
            "former": {0: None, DAY // 1000: "yesterday"}.get(span.back, "last-week"),
            "columns": COLUMNS,
            "rate": rates(look, span),
            "latency": _latencies(look.at, span, windows, former),
            "wait": _waits(look, span, windows, former),
        }

    def _windows(self, width: int, again: float) -> Windows:
        known = self._merged.get(width)
        if known is None or self._clock() - known[0] >= again:
            known = self._merged[width] = (self._clock(), self._read_model.latencies(width))
        return known[1]


def rate_points(trend: Sequence[Sample], minutes: Mapping[int, int], now: float) -> list[tuple[float, float]]:
    """Events per second over the last 15 minutes: what this worker sampled, and averages over minutes before that."""
    sampled = [(sample.at, sample.rate) for sample in trend if sample.rate is not None]
    first = sampled[0][0] if sampled else now
    starts = range(int(now - CHART_SECONDS) * 1000 // MINUTE, int(first) * 1000 // MINUTE)
    before = [((minute + 0.5) * MINUTE / 1000, minutes.get(minute, 0) / 60) for minute in starts] if minutes else []
    return [point for point in before if point[0] < first] + sampled


def lag_points(trend: Sequence[Sample]) -> list[tuple[float, float | None]]:
    """Lag in time as this worker sampled it; nothing is known of where it could not, as while Kafka was away."""
    points: list[tuple[float, float | None]] = []
    for sample in trend:
        if points and sample.at - points[-1][0] > _GAP_SECONDS:
            points.append((points[-1][0] + SAMPLE_SECONDS, None))
        points.append((sample.at, sample.lag_seconds))
    return points


def rates(look: Look, span: Span) -> list[Row]:
    """Events per second, averaged over each point's width; nothing is known of before the first day's first event."""
    counters = look.counters
    series = {MINUTE: counters.minutes, HOUR: counters.hours, DAY: counters.days}
    if span.seconds == CHART_SECONDS:
        points: Sequence[tuple[float, float | None]] = rate_points(look.trend, counters.minutes, look.at)
    else:
        points = _averages(series[span.rate], span, look.at, begin=_begin(counters))
    return [(at, value, _former_rate(counters, series[span.former], span, at)) for at, value in points]


def _begin(counters: Snapshot) -> int:
    """When the day began of which the first event is known, in milliseconds."""
    return min(counters.days, default=2**40) * DAY


def _averages(series: Series, span: Span, now: float, *, begin: int) -> list[tuple[float, float | None]]:
    points: list[tuple[float, float | None]] = []
    for number, at in span.points(span.rate, now):
        over = min(span.rate, now * 1000 - number * span.rate)
        if over * _OPEN_SHARE >= span.rate:
            points.append((at, series.get(number, 0) / over * 1000 if (number + 1) * span.rate > begin else None))
    return points


def _former_rate(counters: Snapshot, series: Series, span: Span, at: float) -> float | None:
    number = span.before(at)
    if number is None or number * span.former < _begin(counters):
        return None
    return series.get(number, 0) / span.former * 1000


def _latencies(now: float, span: Span, windows: Windows, former: Windows) -> list[Row]:
    return [
        (at, _ms(windows.get(number), 0.5), _ms(windows.get(number), 0.99), _ms(_held(former, span.before(at)), 0.99))
        for number, at in span.points(span.latency, now)
    ]


def _waits(look: Look, span: Span, windows: Windows, former: Windows) -> list[Row]:
    if span.seconds == CHART_SECONDS:
        now = lag_points(look.trend)
    else:
        now = [(at, _longest(windows.get(number))) for number, at in span.points(span.latency, look.at)]
    return [(at, seconds, _longest(_held(former, span.before(at)))) for at, seconds in now]


def _held(windows: Windows, number: int | None) -> Histogram | None:
    return None if number is None else windows.get(number)


def _ms(held: Histogram | None, q: float) -> float | None:
    return quantile(held, q) if held else None


def _longest(held: Histogram | None) -> float | None:
    return longest(held) / 1000 if held else None
