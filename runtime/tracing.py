"""What the traces of both services (OpenTelemetry) have in common: the collector, and spans named by a traceparent.

Source: W3C Trace Context; OpenTelemetry, OTLP over HTTP.
"""

import os
import socket
from typing import TYPE_CHECKING

from opentelemetry.context import Context
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter
from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags, set_span_in_context

from runtime import release

if TYPE_CHECKING:
    from opentelemetry.trace import Tracer

# The last digit of a traceparent whose flags say "sampled".
_SAMPLED = frozenset("13579bdf")


class Spans:
    """The spans of one process of one service, on their way to the collector; ``seconds`` bound the last sending."""

    def __init__(self, exporter: SpanExporter, *, service: str, seconds: float) -> None:
        attributes = {
            "service.name": service,
            "service.version": release.version(),
            "service.instance.id": f"{socket.gethostname()}#{os.getpid()}",
        }
        self._provider = TracerProvider(resource=Resource.create(attributes), shutdown_on_exit=False)
        self._provider.add_span_processor(BatchSpanProcessor(exporter))
        self._milliseconds = int(seconds * 1000)
        self.tracer: Tracer = self._provider.get_tracer("headgate", release.version())

    def stop(self) -> None:
        """Send what is left, for a bounded time; blocks."""
        self._provider.force_flush(self._milliseconds)
        self._provider.shutdown()


def exporter(endpoint: str, *, seconds: float) -> SpanExporter:
    """What sends spans to the collector at ``endpoint``."""
    # Half a megabyte of modules that nobody needs without a collector.
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter

    return OTLPSpanExporter(endpoint=f"{endpoint.rstrip('/')}/v1/traces", timeout=seconds)


def is_sampled(traceparent: str | None) -> bool:
    """Whether somebody wants this trace; told from the text alone, since it is asked of each event."""
    return traceparent is not None and traceparent[-1:] in _SAMPLED


def remote(traceparent: str | None) -> SpanContext | None:
    """The span that a traceparent names; None where it is malformed."""
    parts = (traceparent or "").split("-")
    if [len(part) for part in parts] != [2, 32, 16, 2]:
        return None
    try:
        version_, trace, span, flags = (int(part, 16) for part in parts)
    except ValueError:
        return None
    context = SpanContext(trace, span, is_remote=True, trace_flags=TraceFlags(flags))
    return context if context.is_valid and version_ == 0 else None


def below(parent: SpanContext) -> Context:
    """The context in which a span is the child of ``parent``."""
    return set_span_in_context(NonRecordingSpan(parent), Context())
