"""Traces of a worker, off unless OTEL_EXPORTER_OTLP_ENDPOINT is set: then ``start`` gives a Tracing, else None.

An event's ``traceparent`` is the span of the request that submitted it. Each sampled request gets a span below its own
for its events in a batch, so that its trace goes on here; the batch has a span that links to all of them.
Source: OpenTelemetry semantic conventions for messaging (Kafka); W3C Trace Context.
"""

from collections.abc import Sequence
from typing import Any

from opentelemetry.context import Context
from opentelemetry.sdk.trace.export import SpanExporter
from opentelemetry.trace import Link, SpanKind

from contracts import header, id_of
from runtime.kafka.records import KafkaRecord
from runtime.tracing import Spans, below, exporter, is_sampled, remote
from stream_workers.kinds import Kind
from stream_workers.settings import Settings

STOP_SECONDS = 2.0


class Tracing:
    """Writes the spans of one worker process, after the fact."""

    def __init__(self, exporter: SpanExporter, *, kind: Kind, topic: str, group: str) -> None:
        self._spans = Spans(exporter, service=f"headgate-{kind.name}", seconds=STOP_SECONDS)
        self._tracer = self._spans.tracer
        self._name = f"process {topic}"
        self._attributes: dict[str, Any] = {
            "messaging.system": "kafka",
            "messaging.operation.name": "process",
            "messaging.operation.type": "process",
            "messaging.destination.name": topic,
            "messaging.consumer.group.name": group,
        }

    def processed(self, partition: int, records: Sequence[KafkaRecord], *, began: int, ended: int) -> None:
        """A batch of one partition was folded; times in nanoseconds since 1970."""
        by_request: dict[str, list[KafkaRecord]] = {}
        for record in records:
            traceparent = (header(record.headers, "traceparent") or b"").decode("latin-1")
            if is_sampled(traceparent):
                by_request.setdefault(traceparent, []).append(record)
        requests = [(context, events) for found, events in by_request.items() if (context := remote(found))]
        if not requests:
            return
        attributes = {**self._attributes, "messaging.destination.partition.id": str(partition)}
        batch = self._tracer.start_span(
            self._name,
            context=Context(),
            kind=SpanKind.CONSUMER,
            attributes={**attributes, "messaging.batch.message_count": len(records)},
            links=[Link(context) for context, _ in requests],
            start_time=began,
        )
        for context, events in requests:
            self._tracer.start_span(
                self._name,
                context=below(context),
                kind=SpanKind.CONSUMER,
                attributes=attributes | _identity(events),
                links=[Link(batch.get_span_context())],
                start_time=began,
            ).end(ended)
        batch.end(ended)

    def stop(self) -> None:
        """Send what is left, for a bounded time; blocks."""
        self._spans.stop()


def start(settings: Settings, kind: Kind) -> Tracing | None:
    """Tracing to the collector that is configured, or None."""
    endpoint = settings.otel_exporter_otlp_endpoint
    if endpoint is None:
        return None
    topics = settings.topics
    return Tracing(
        exporter(endpoint, seconds=STOP_SECONDS), kind=kind, topic=topics.applications, group=kind.group(topics)
    )


def _identity(events: Sequence[KafkaRecord]) -> dict[str, Any]:
    """What tells the events of one request: each by itself where there is one."""
    if len(events) > 1:
        return {"headgate.applications": len(events)}
    [event] = events
    id_ = id_of(event.value, event.headers)
    return {"headgate.applications": 1, "messaging.message.id": str(id_), "messaging.kafka.offset": event.offset}
