"""What one gateway process counts. Counting costs well under a microsecond; the work is done when somebody asks.

Labels are bounded by construction: routes are the templates below, methods the known ones, reasons are ours.
"""

import time
from collections import Counter
from collections.abc import Iterable

from runtime.exposition import SIZES, Histogram

# Seconds: from a fast answer to the longest deadline.
SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
# Seconds that an application may be under way: an outage of Kafka may last for hours.
AGES = (*SECONDS, 30.0, 60.0, 300.0, 1_800.0, 7_200.0, 43_200.0)

COMMIT_FAILURES = ("not_connected", "outcome_unknown", "conflict", "data", "constraint", "refused")
PUBLISH_FAILURES = ("SendError", "ContentRefusedError")

_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_EXACT = frozenset(
    {
        "/",
        "/applications",
        "/applications/batch",
        "/applications/export",
        "/applications/stream",
        "/problems",
        "/.well-known/security.txt",
        "/asyncapi",
        "/asyncapi.json",
        "/docs",
        "/favicon.ico",
        "/healthz",
        "/livez",
        "/metrics",
        "/openapi.json",
        "/problems/",
        "/readyz",
        "/redoc",
        "/status",
    }
)
ONE_APPLICATION = "/applications/{id}"
_BELOW = {"applications": ONE_APPLICATION, "problems": "/problems/{code}"}
UNMATCHED = "unmatched"


def route_of(path: str) -> str:
    """The template that a path belongs to; whatever is not ours is one label."""
    if path in _EXACT:
        return path
    _, first, *rest = path.split("/", 2) if path.startswith("/") else ("", "")
    if first == "static":
        return "/static"
    if first == "applications" and rest and rest[0].endswith("/status") and rest[0].count("/") == 1:
        return "/applications/{id}/status"
    return _BELOW.get(first, UNMATCHED) if rest and "/" not in rest[0] else UNMATCHED


class Metrics:
    """Counters and histograms since the start of this process; whoever sees something happen writes it here."""

    def __init__(self) -> None:
        self.started_at = time.time()
        self.requests: dict[tuple[str, str, int], Histogram] = {}
        self.commit_size = Histogram(SIZES)
        self.commit_wait = Histogram(SECONDS)
        self.commit_seconds = Histogram(SECONDS)
        # Zeros from the start: the first failure is an increase then, not a series that appears out of nothing.
        self.commit_failures: Counter[str] = Counter(dict.fromkeys(COMMIT_FAILURES, 0))
        self.publish_size = Histogram(SIZES)
        self.publish_seconds = Histogram(AGES)
        self.publish_failures: Counter[str] = Counter(dict.fromkeys(PUBLISH_FAILURES, 0))
        self.accepted_to_published = Histogram(AGES)
        self.replays = 0
        self.granted = self.refused = 0

    def request(self, method: str, path: str, status: int, seconds: float) -> None:
        """One request was answered."""
        key = method, path, status
        histogram = self.requests.get(key)
        if histogram is None:
            key = method if method in _METHODS else "other", route_of(path), status
            histogram = self.requests.get(key)
        if histogram is None:
            histogram = self.requests[key] = Histogram(SECONDS)
        histogram.observe(seconds)

    def published(self, accepted_ms: Iterable[int]) -> None:
        """Kafka has acknowledged applications whose ids carry these times (milliseconds since 1970)."""
        self.accepted_to_published.observe_ages(accepted_ms, now=time.time())
