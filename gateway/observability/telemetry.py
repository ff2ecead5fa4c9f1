"""What the parts of a gateway tell when something happens: one call each, counted always and traced if configured."""

import asyncio
import logging
import time
from collections.abc import Sequence
from contextlib import AbstractContextManager
from types import TracebackType
from typing import Any, Protocol
from uuid import UUID

from contracts import Header, header
from gateway.admission.visit import Visit
from gateway.observability import tracing
from gateway.observability.metrics import Metrics, route_of
from gateway.settings import Settings

log = logging.getLogger(__name__)

# What other servers write for a client that left before its answer.
CLIENT_GONE = 499
_FLOODS = frozenset({429, CLIENT_GONE, 503})


class Submitted(Protocol):
    """What is told of an application on its way to its commit; ``deadline`` is monotonic."""

    id: UUID
    traceparent: str | None
    deadline: float
    done: "asyncio.Future[Any]"


class Sent(Protocol):
    """What is told of an application on its way to Kafka."""

    @property
    def id(self) -> UUID: ...
    @property
    def headers(self) -> Sequence[Header]: ...
    @property
    def timestamp_ms(self) -> int: ...


class Telemetry:
    """The metrics of one process, and its tracing where that is on."""

    def __init__(self, settings: Settings) -> None:
        self.metrics = Metrics()
        self.tracing = tracing.start(settings)
        self._deadline = settings.commit_deadline_seconds
        self._verbose = settings.log_level == "DEBUG"
        self._patience = settings.send_timeout_seconds
        self.kafka_away = False

    def answered(self, visit: Visit, method: str, path: str) -> None:
        """A request was answered, or its client has gone."""
        status, seconds = visit.status or CLIENT_GONE, time.perf_counter() - visit.began
        self.metrics.request(method, visit.route or path, status, seconds)
        if visit.standing is not None:
            if visit.standing.granted:
                self.metrics.granted += 1
            else:
                self.metrics.refused += 1
        if visit.span is not None and self.tracing is not None:
            self.tracing.answered(visit.span, status)
        if status >= 400 or self._verbose:
            self._log(method, path, status, seconds)

    def _log(self, method: str, path: str, status: int, seconds: float) -> None:
        """Refusals at INFO, but for those that come in floods; all else is for DEBUG. Paths are no one's business."""
        if self._verbose or status not in _FLOODS:
            fields = {"method": method, "route": route_of(path), "status": status, "ms": round(seconds * 1000, 1)}
            log.log(logging.INFO if status >= 400 else logging.DEBUG, "answered", extra=fields)

    def committed(
        self, batch: Sequence[Submitted], accepted: Sequence[Submitted], *, began: float, ended: float
    ) -> None:
        """A group commit succeeded; times are monotonic, as the submissions' deadlines are."""
        metrics = self.metrics
        metrics.commit_size.observe(len(batch))
        metrics.commit_wait.observe(began - (batch[0].deadline - self._deadline))
        metrics.commit_seconds.observe(ended - began)
        if self.tracing is not None:
            now = time.time_ns()
            members = [(str(each.id), each.traceparent) for each in accepted]
            self.tracing.committed(members, size=len(accepted), began=now - int((ended - began) * 1e9), ended=now)

    def replayed(self, losers: Sequence[Submitted]) -> None:
        """The losers of an idempotency key have their outcomes."""
        self.metrics.replays += sum(_is_replay(each) for each in losers)

    def sending(self, events: Sequence[Sent], *, recovered: bool = False) -> AbstractContextManager[object]:
        """Around one send: measured, traced, and a Kafka that does not answer is told once."""
        return _Sending(self, events, recovered=recovered)

    def sent(self, events: Sequence[Sent], *, seconds: float, recovered: bool, error: BaseException | None) -> None:
        """A send ended. One that was given up because the lease was lost is neither a success nor a failure."""
        if isinstance(error, asyncio.CancelledError):
            return
        if error is None:
            self.metrics.publish_size.observe(len(events))
            self.metrics.publish_seconds.observe(seconds)
            self.metrics.published(event.timestamp_ms for event in events)
            self._kafka_is_back()
        else:
            self.metrics.publish_failures[type(error).__name__] += 1
        if self.tracing is not None:
            ended = time.time_ns()
            self.tracing.sent(
                [(str(event.id), (header(event.headers, "traceparent") or b"").decode()) for event in events],
                size=len(events),
                began=ended - int(seconds * 1e9),
                ended=ended,
                recovered=recovered,
                error=type(error).__name__ if error else None,
            )

    def patience_ends(self) -> asyncio.TimerHandle:
        """A timer that tells once that Kafka does not acknowledge."""
        return asyncio.get_running_loop().call_later(self._patience, self._kafka_is_away)

    def _kafka_is_away(self) -> None:
        if not self.kafka_away:
            log.warning("Kafka does not acknowledge; what is accepted is kept in PostgreSQL and published later")
        self.kafka_away = True

    def _kafka_is_back(self) -> None:
        if self.kafka_away:
            log.warning("Kafka acknowledges again")
        self.kafka_away = False

    async def stop(self) -> None:
        """Send the last spans."""
        if self.tracing is not None:
            await asyncio.to_thread(self.tracing.stop)


class _Sending:
    def __init__(self, telemetry: Telemetry, events: Sequence[Sent], *, recovered: bool) -> None:
        self._telemetry, self._events, self._recovered = telemetry, events, recovered
        self._began = time.perf_counter()
        self._timer = telemetry.patience_ends()

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        self._timer.cancel()
        seconds = time.perf_counter() - self._began
        self._telemetry.sent(self._events, seconds=seconds, recovered=self._recovered, error=error)


def _is_replay(submission: Submitted) -> bool:
    done = submission.done
    return done.done() and not done.cancelled() and done.exception() is None and done.result().replayed
