"""Traces of a worker, off unless OTEL_EXPORTER_OTLP_ENDPOINT is set: then ``start`` gives a Tracing, else None.

An event's ``traceparent`` is the span of the request that submitted it. Each sampled event gets a span below that one,
so that its trace goes on here; the batch has a span of its own that links to all of them.
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
from stream_workers.batches import Record
from stream_workers.settings import Kind, Settings

STOP_MILLISECONDS = 2_000


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
        sampled = [(record, context) for record in records if (context := sampled_context(record))]
        if not sampled:
            return
        attributes = {**self._attributes, "messaging.destination.partition.id": str(records[0].partition)}
        batch = self._tracer.start_span(
            self._name,
            context=Context(),
            kind=SpanKind.CONSUMER,
            attributes={**attributes, "messaging.batch.message_count": len(records)},
            links=[Link(context) for _, context in sampled],
            start_time=began,
        )
        for record, context in sampled:
            identity = {
                "messaging.message.id": str(id_of(record.value, record.headers)),
                "messaging.kafka.offset": record.offset,
            }
            self._tracer.start_span(
                self._name,
                context=set_span_in_context(NonRecordingSpan(context), Context()),
                kind=SpanKind.CONSUMER,
                attributes=attributes | identity,
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


def sampled_context(record: Record) -> SpanContext | None:
    """The span that an event was created in, if its trace is sampled."""
    found = header(record.headers, "traceparent")
    if found is None or found[-1:] not in b"13579bdf":
        return None
    try:
        version_, trace, span, flags = (int(part, 16) for part in found.split(b"-"))
    except ValueError:
        return None
    context = SpanContext(trace, span, is_remote=True, trace_flags=TraceFlags(flags))
    return context if context.is_valid and version_ == 0 else None
