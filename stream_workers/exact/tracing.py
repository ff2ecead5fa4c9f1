"""Traces of a worker, off unless OTEL_EXPORTER_OTLP_ENDPOINT is set: then ``start`` gives a Tracing, else None.

An event's ``traceparent`` is the span of the request that submitted it. Each sampled request gets a span below its own
for its events in a batch, so that its trace goes on here; the batch has a span that links to all of them.
Source: OpenTelemetry semantic conventions for messaging (Kafka); W3C Trace Context.
"""

import os
import socket
from collections.abc import Sequence
from importlib.metadata import version
from typing import Any

from opentelemetry.context import Context
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter
from opentelemetry.trace import Link, NonRecordingSpan, SpanContext, SpanKind, TraceFlags, set_span_in_context

from contracts import header, id_of
from stream_workers.kafka.batches import Record
from stream_workers.settings import Kind, Settings

STOP_MILLISECONDS = 2_000

# The last digit of a traceparent whose flags say "sampled".
_SAMPLED = frozenset((b"1", b"3", b"5", b"7", b"9", b"b", b"d", b"f"))


class Tracing:
    """Writes the spans of one worker process, after the fact."""

    def __init__(self, exporter: SpanExporter, *, kind: Kind, topic: str, group: str) -> None:
        resource = Resource.create(
            {
                "service.name": f"headgate-{kind}",
                "service.version": version("headgate"),
                "service.instance.id": f"{socket.gethostname()}#{os.getpid()}",
            }
        )
        self._provider = TracerProvider(resource=resource, shutdown_on_exit=False)
        self._provider.add_span_processor(BatchSpanProcessor(exporter))
        self._tracer = self._provider.get_tracer("headgate", version("headgate"))
        self._name = f"process {topic}"
        self._attributes: dict[str, Any] = {
            "messaging.system": "kafka",
            "messaging.operation.name": "process",
            "messaging.operation.type": "process",
            "messaging.destination.name": topic,
            "messaging.consumer.group.name": group,
        }

    def processed(self, records: Sequence[Record], *, began: int, ended: int) -> None:
        """A batch of one partition was folded; times in nanoseconds since 1970."""
        by_request: dict[bytes, list[Record]] = {}
        for record in records:
            found = header(record.headers, "traceparent")
            if found is not None and found[-1:] in _SAMPLED:
                by_request.setdefault(found, []).append(record)
        requests = [(context, events) for found, events in by_request.items() if (context := remote(found))]
        if not requests:
            return
        attributes = {**self._attributes, "messaging.destination.partition.id": str(records[0].partition)}
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
                context=set_span_in_context(NonRecordingSpan(context), Context()),
                kind=SpanKind.CONSUMER,
                attributes=attributes | _identity(events),
                links=[Link(batch.get_span_context())],
                start_time=began,
            ).end(ended)
        batch.end(ended)

    def stop(self) -> None:
        """Send what is left, for a bounded time; blocks."""
        self._provider.force_flush(STOP_MILLISECONDS)
        self._provider.shutdown()


def start(settings: Settings, kind: Kind) -> Tracing | None:
    """Tracing to the collector that is configured, or None."""
    endpoint = settings.otel_exporter_otlp_endpoint
    if endpoint is None:
        return None
    # Half a megabyte of modules that nobody needs without a collector.
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter

    exporter = OTLPSpanExporter(endpoint=f"{endpoint.rstrip('/')}/v1/traces", timeout=STOP_MILLISECONDS / 1000)
    group = settings.topics.metrics if kind == "metrics" else settings.topics.journal
    return Tracing(exporter, kind=kind, topic=settings.topics.applications, group=group)


def remote(traceparent: bytes) -> SpanContext | None:
    """The span that an event was created in; None where it is malformed."""
    try:
        version_, trace, span, flags = (int(part, 16) for part in traceparent.split(b"-"))
    except ValueError:
        return None
    context = SpanContext(trace, span, is_remote=True, trace_flags=TraceFlags(flags))
    return context if context.is_valid and version_ == 0 else None


def _identity(events: Sequence[Record]) -> dict[str, Any]:
    """What tells the events of one request: each by itself where there is one."""
    if len(events) > 1:
        return {"headgate.applications": len(events)}
    [event] = events
    id_ = id_of(event.value, event.headers)
    return {"headgate.applications": 1, "messaging.message.id": str(id_), "messaging.kafka.offset": event.offset}
