"""What the read model shows: documented values, nothing that moves."""

from collections.abc import Sequence
from dataclasses import dataclass

from stream_workers.books.histogram import Histogram
from stream_workers.books.series import Series
from stream_workers.books.sketches.hyperloglog import Estimate
from stream_workers.books.users import ActiveUser
from stream_workers.kafka.broker import Brokers


@dataclass(frozen=True)
class PartitionView:
    """One partition: what is booked, how far the topic reaches, and who counted last.

    ``lag`` is in events, ``lag_seconds`` the age of the oldest event that may still wait (0 when none does);
    None means unknown. ``exact`` says that every offset from ``first`` to ``last_offset`` is booked once.
    """

    partition: int
    owner: str | None
    first: int | None
    last_offset: int | None
    end_offset: int | None
    lag: int | None
    lag_seconds: float | None
    total: int
    dead: int
    replayed: int
    missing: int
    empty: int
    edition: int
    exact: bool
    newest_at: int | None
    counted_at: int | None


@dataclass(frozen=True)
class Sample:
    """One point of the trend; ``at`` is in seconds since 1970, ``rate`` in events counted per second since the last."""

    at: float
    total: int
    rate: float | None
    lag: int | None
    lag_seconds: float | None


@dataclass(frozen=True)
class Snapshot:
    """All partitions as one. Times of series are bucket numbers since 1970 (minutes, hours, days), in UTC.

    ``as_of`` is when the broker was last heard (seconds since 1970; None: never). ``complete`` is false while the
    changelog is still being read for the first time: totals are too low then. ``kafka_away_since`` is set while the
    broker is silent. ``rate`` is in events per second over the last samples. Latencies are upper bounds in
    milliseconds: ``p50`` and ``p99`` of the last 10 to 15 minutes, ``latency`` of all time. ``late`` and
    ``future`` are parts of ``total``.
    """

    as_of: float | None
    complete: bool
    kafka_away_since: float | None
    total: int
    dead: int
    replayed: int
    missing: int
    empty: int
    late: int
    future: int
    rate: float | None
    lag: int | None
    lag_seconds: float | None
    this_minute: int
    this_hour: int
    today: int
    latency_p50_ms: float | None
    latency_p99_ms: float | None
    latency: Histogram
    sizes: Histogram
    minutes: Series
    hours: Series
    days: Series
    distinct_users: Estimate
    active_users: Sequence[ActiveUser]
    dead_reasons: dict[str, int]
    brokers: Brokers
    partitions: Sequence[PartitionView]
