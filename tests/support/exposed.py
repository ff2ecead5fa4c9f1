"""Every series that the services can show, asked of the code that shows them with nothing behind it."""

from types import SimpleNamespace
from typing import Any

from prometheus_client.metrics_core import Metric

from gateway.api import exposition as gateway_exposition
from gateway.observability.metrics import Metrics
from stream_workers.exact.partitions import Figures
from stream_workers.exact.telemetry import Telemetry
from stream_workers.kinds import METRICS
from stream_workers.settings import Settings
from stream_workers.web.look.snapshot import Snapshot
from stream_workers.web.serving import exposition as worker_exposition

_SUFFIXES = {"counter": ("_total",), "histogram": ("_bucket", "_count", "_sum"), "gauge": ("",)}


def exposed() -> set[str]:
    """The name of every series that the services can show."""
    families = [*gateway_families(), *worker_families()]
    return {family.name + suffix for family in families for suffix in _SUFFIXES[family.type]}


def gateway_families() -> list[Metric]:
    """All that the gateway can show."""
    return [
        *gateway_exposition.counted(Metrics()),
        *gateway_exposition.standing(_gateway()),
        *gateway_exposition.replicated(_plain(outcomes={}, usable=True, lag=0.0)),
        *gateway_exposition.limiting(_plain(fallbacks=0, away=False)),
        *gateway_exposition.shared(_report()),
    ]


def worker_families() -> list[Metric]:
    """All that a worker can show."""
    return [
        *worker_exposition.histograms(Telemetry(Settings(_env_file=None), METRICS)),
        *worker_exposition.figures(Figures()),
        *worker_exposition.lags(_plain(behind=dict), {}),
        *worker_exposition.states(_worker()),
        *worker_exposition.counted(_snapshot()),
    ]


def _plain(**fields: object) -> Any:
    return SimpleNamespace(**fields)


def _gateway() -> Any:
    return SimpleNamespace(
        writer=SimpleNamespace(committed=0, queue=()),
        publisher=SimpleNamespace(published=0, in_memory=0, state="memory"),
        recovery=SimpleNamespace(already_there=0, sent=0, set_aside=0, claimed=0, phases={}, stopped={}),
        keeper=SimpleNamespace(lease=None),
        followers=SimpleNamespace(open=0),
        draining=False,
    )


def _report() -> dict[str, Any]:
    outbox = {"batches": 0, "oldest_seconds": 0.0}
    database = {"status": "ok", "outbox": outbox, "unpublishable": 0, "leases_being_drained": 0, "next_month": True}
    return {"dependencies": {"postgresql": database, "kafka": {"status": "ok"}}}


def _worker() -> Any:
    return SimpleNamespace(
        missing=lambda: None,
        partitions=SimpleNamespace(owned={}),
        backlog=SimpleNamespace(as_of=1.0, away_since=None),
    )


def _snapshot() -> Snapshot:
    fields: dict[str, Any] = dict.fromkeys(Snapshot.__dataclass_fields__, 0)
    return Snapshot(**fields | {"complete": True, "dead_reasons": {}, "partitions": ()})
