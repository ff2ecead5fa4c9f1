"""Traces (OpenTelemetry), off unless OTEL_EXPORTER_OTLP_ENDPOINT is set: then ``start`` gives a Tracing, else None.

One trace holds an application's whole way: the request, its commit, its send and, in the workers, its processing. The
span of the request is the creation context: it goes into the outbox and into the event's ``traceparent``, so that a
send by another gateway after a crash is in the same trace. Commits and sends are of many requests: each batch has a
span of its own that links to all of them, and the span below each request links back to the batch.
Source: OpenTelemetry semantic conventions for HTTP 1.4x and messaging (Kafka); W3C Trace Context.
"""

from collections.abc import Iterable, Mapping, MutableMapping
from contextvars import ContextVar
from functools import partial
from typing import Any

from opentelemetry.context import Context
from opentelemetry.sdk.trace.export import SpanExporter
from opentelemetry.trace import Link, Span, SpanContext, SpanKind, StatusCode

from gateway.observability.metrics import route_of
from gateway.settings import Settings
from runtime.tracing import Spans, below, exporter, is_sampled, remote

STOP_SECONDS = 3.0

# The trace of the request being answered, for log lines.
current: ContextVar[str | None] = ContextVar("trace_id", default=None)


class Tracing:
    """Starts and ends the spans of one gateway process."""

    def __init__(self, exporter: SpanExporter, *, topic: str) -> None:
        self._spans = Spans(exporter, service="headgate-gateway", seconds=STOP_SECONDS)
        self._tracer, self._topic = self._spans.tracer, topic

    def serve(self, method: str, path: str, headers: MutableMapping[bytes, bytes]) -> Span:
        """Begin the span of a request; from here on ``headers`` name it as the trace."""
        parent = remote(headers.get(b"traceparent", b"").decode("latin-1"))
        route = route_of(path)
        span = self._tracer.start_span(
            f"{method} {route}",
            context=below(parent) if parent else Context(),
            kind=SpanKind.SERVER,
            attributes={"http.request.method": method, "http.route": route, "url.path": path, "url.scheme": "http"},
        )
        headers[b"traceparent"] = header_of(span.get_span_context()).encode()
        current.set(f"{span.get_span_context().trace_id:032x}")
        return span

    def answered(self, span: Span, status: int) -> None:
        """End the span of a request."""
        span.set_attribute("http.response.status_code", status)
        if status >= 500:
            span.set_attribute("error.type", str(status))
            span.set_status(StatusCode.ERROR)
        span.end()

    def committed(self, members: Iterable[tuple[str, str | None]], *, size: int, began: int, ended: int) -> None:
        """A group commit: ``members`` are ids with their traceparents; times in nanoseconds since 1970."""
        attributes = {"db.system.name": "postgresql", "db.operation.name": "COMMIT", "db.operation.batch.size": size}
        self._of_many("commit applications", SpanKind.CLIENT, attributes, members=members, began=began, ended=ended)

    def sent(
        self,
        members: Iterable[tuple[str, str | None]],
        *,
        size: int,
        began: int,
        ended: int,
        recovered: bool,
        error: str | None,
    ) -> None:
        """A send to Kafka, acknowledged or failed."""
        attributes: dict[str, Any] = {
            "messaging.system": "kafka",
            "messaging.operation.name": "send",
            "messaging.operation.type": "send",
            "messaging.destination.name": self._topic,
            "messaging.batch.message_count": size,
            "headgate.recovered": recovered,
        }
        if error:
            attributes["error.type"] = error
        self._of_many(f"send {self._topic}", SpanKind.PRODUCER, attributes, members=members, began=began, ended=ended)

    def _of_many(
        self,
        name: str,
        kind: SpanKind,
        attributes: Mapping[str, Any],
        *,
        members: Iterable[tuple[str, str | None]],
        began: int,
        ended: int,
    ) -> None:
        """A span for the batch, and one below each sampled request that has members in it."""
        by_request: dict[str, list[str]] = {}
        for id_, traceparent in members:
            if traceparent is not None and is_sampled(traceparent):
                by_request.setdefault(traceparent, []).append(id_)
        requests = [(context, ids) for traceparent, ids in by_request.items() if (context := remote(traceparent))]
        if not requests:
            return
        span = partial(self._tracer.start_span, name, start_time=began)
        links = [Link(context) for context, _ in requests]
        batch = span(kind=SpanKind.CLIENT, context=Context(), attributes=attributes, links=links)
        for context, ids in requests:
            own = {**attributes, "headgate.applications": len(ids)}
            if len(ids) == 1 and kind is SpanKind.PRODUCER:
                own["messaging.message.id"] = ids[0]
            link = Link(batch.get_span_context())
            member = span(kind=kind, context=below(context), attributes=own, links=[link])
            _end(member, attributes, ended)
        _end(batch, attributes, ended)

    def stop(self) -> None:
        """Send what is left, for a bounded time; blocks."""
        self._spans.stop()


def start(settings: Settings) -> Tracing | None:
    """Tracing to the collector that is configured, or None."""
    endpoint = settings.otel_exporter_otlp_endpoint
    if endpoint is None:
        return None
    return Tracing(exporter(endpoint, seconds=STOP_SECONDS), topic=settings.topics.applications)


def header_of(context: SpanContext) -> str:
    """A span as a traceparent."""
    return f"00-{context.trace_id:032x}-{context.span_id:016x}-{context.trace_flags:02x}"


def _end(span: Span, attributes: Mapping[str, Any], ended: int) -> None:
    if "error.type" in attributes:
        span.set_status(StatusCode.ERROR)
    span.end(ended)
