"""A collector for tests: takes OTLP over HTTP as a real one does, and keeps the spans."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from devstack.ports import free_port


@dataclass(frozen=True)
class Collected:
    """One span as it came over the wire."""

    service: str
    name: str
    trace: str
    id: str
    parent: str
    links: tuple[str, ...]
    attributes: dict[str, Any]


@dataclass
class Collector:
    """``spans`` grows as they come."""

    endpoint: str
    spans: list[Collected] = field(default_factory=list)

    def of_trace(self, trace: str) -> list[Collected]:
        return [span for span in self.spans if span.trace == trace]

    def found(self, service: str, name: str, **having: Any) -> list[Collected]:
        """Spans by service and name, with these attributes (dots as underscores)."""
        wanted = {key.replace("__", "."): value for key, value in having.items()}
        return [
            span
            for span in self.spans
            if (span.service, span.name) == (service, name) and wanted.items() <= span.attributes.items()
        ]


@asynccontextmanager
async def collector() -> AsyncIterator[Collector]:
    """Listens on a free port of this machine until the block ends."""
    port = free_port()
    found = Collector(f"http://127.0.0.1:{port}")

    async def take(request: web.Request) -> web.Response:
        message = ExportTraceServiceRequest()
        message.ParseFromString(await request.read())
        found.spans.extend(_spans(message))
        return web.Response(content_type="application/x-protobuf")

    app = web.Application()
    app.router.add_post("/v1/traces", take)
    runner = web.AppRunner(app)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", port).start()
        yield found
    finally:
        await runner.cleanup()


def _spans(message: Any) -> list[Collected]:
    return [
        Collected(
            service=_values(resource.resource.attributes)["service.name"],
            name=span.name,
            trace=span.trace_id.hex(),
            id=span.span_id.hex(),
            parent=span.parent_span_id.hex(),
            links=tuple(link.span_id.hex() for link in span.links),
            attributes=_values(span.attributes),
        )
        for resource in message.resource_spans
        for scope in resource.scope_spans
        for span in scope.spans
    ]


def _values(attributes: Any) -> dict[str, Any]:
    return {attribute.key: _value(attribute.value) for attribute in attributes}


def _value(value: Any) -> Any:
    return getattr(value, value.WhichOneof("value"))
