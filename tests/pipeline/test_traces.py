"""One trace from the request to both workers, through batches and through the death of a gateway."""

import asyncio
import re
from pathlib import Path

import httpx
import pytest

from contracts import Topics
from devstack.ports import free_port
from runtime.kafka.clients import Kafka
from stream_workers.kinds import JOURNAL
from tests.pipeline.workers import WorkerProcess, environment
from tests.support.inside import served
from tests.support.otlp import Collector, collector
from tests.support.write_path import eventually, records, settings_for

TRACE, SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
BODY = {"user_name": "Ann", "description": "text"}


@pytest.mark.timeout(300)
async def test_one_trace_holds_the_whole_way(database_url: str, kafka: Kafka, topics: Topics, tmp_path: Path) -> None:
    async with collector() as seen:
        given = {"otel_exporter_otlp_endpoint": seen.endpoint}
        workers = [
            WorkerProcess(
                kind,
                environment(kafka, topics, OTEL_EXPORTER_OTLP_ENDPOINT=seen.endpoint, OTEL_BSP_SCHEDULE_DELAY="500"),
                tmp_path / f"{kind}.log",
            )
            for kind in ("journal", "metrics")
        ]
        for worker in workers:
            worker.start()
        try:
            async with served(settings_for(database_url, kafka, topics, **given)) as (_, client):
                headers = {"traceparent": f"00-{TRACE}-{SPAN}-01"}
                id_ = (await client.post("/applications", json=BODY, headers=headers)).json()["id"]
                several = await client.post("/applications/batch", json=[BODY] * 3)
                assert several.status_code == 200, several.text
                await eventually(lambda: _both_processed(seen, topics), seconds=120, what="processing by both workers")
            await _worker_metrics(workers)
        finally:
            for worker in workers:
                worker.kill()

    [request] = [span for span in seen.of_trace(TRACE) if span.name == "POST /applications"]
    assert request.parent == SPAN
    assert request.attributes["http.response.status_code"] == 201
    topic = topics.applications
    below = {(span.service, span.name): span for span in seen.of_trace(TRACE) if span is not request}
    assert set(below) == {
        ("headgate-gateway", "commit applications"),
        ("headgate-gateway", f"send {topic}"),
        ("headgate-journal", f"process {topic}"),
        ("headgate-metrics", f"process {topic}"),
    }
    batches = {span.id: span for span in seen.spans}
    for (service, _), span in below.items():
        assert span.parent == request.id
        [link] = span.links
        assert request.id in batches[link].links, "the batch links back to every request in it"
        assert batches[link].service == service
    assert below["headgate-gateway", f"send {topic}"].attributes["messaging.message.id"] == id_
    assert below["headgate-journal", f"process {topic}"].attributes["messaging.consumer.group.name"] == JOURNAL.group(
        topics
    )


@pytest.mark.timeout(300)
async def test_the_trace_goes_on_where_another_gateway_publishes(
    database_url: str, kafka: Kafka, topics: Topics
) -> None:
    async with collector() as seen:
        nowhere = Kafka(f"127.0.0.1:{free_port()}")
        given = {"otel_exporter_otlp_endpoint": seen.endpoint, "drain_seconds": 0.0}
        async with served(settings_for(database_url, nowhere, topics, **given)) as (_, client):
            headers = {"traceparent": f"00-{TRACE}-{SPAN}-01"}
            assert (await client.post("/applications", json=BODY, headers=headers)).status_code == 201
        async with served(settings_for(database_url, kafka, topics, **given)) as (front, _):

            async def is_sent() -> bool:
                return front.running.recovery.sent == 1 and not front.running.recovery.busy

            await eventually(is_sent, seconds=120, what="recovery")
    [request] = [span for span in seen.of_trace(TRACE) if span.name == "POST /applications"]
    [sent] = [span for span in seen.of_trace(TRACE) if span.name == f"send {topics.applications}"]
    assert sent.attributes["headgate.recovered"] is True
    assert sent.parent == request.id


async def test_a_callers_trace_goes_with_the_event_also_without_tracing(
    database_url: str, kafka: Kafka, topics: Topics
) -> None:
    traceparent = f"00-{TRACE}-{SPAN}-01"
    async with served(settings_for(database_url, kafka, topics)) as (front, client):
        assert front.running.telemetry.tracing is None
        for given in (traceparent, "00-not-a-trace-01"):
            answer = await client.post("/applications", json=BODY, headers={"traceparent": given})
            assert answer.status_code == 201

        async def both_are_published() -> bool:
            return front.running.publisher.published == 2

        await eventually(both_are_published)
    found = [dict(record.headers)["traceparent"].decode() for record in await records(kafka, topics.applications)]
    assert found[0] == traceparent
    assert re.fullmatch("00-[0-9a-f]{32}-[0-9a-f]{16}-00", found[1]), "a fresh one, unsampled"


async def _both_processed(seen: Collector, topics: Topics) -> bool:
    name = f"process {topics.applications}"
    return all(
        any(span.trace == TRACE for span in seen.found(service, name))
        for service in ("headgate-journal", "headgate-metrics")
    )


async def _worker_metrics(workers: list[WorkerProcess]) -> None:
    """The same workers tell their figures."""
    async with httpx.AsyncClient(trust_env=False) as client:
        for worker in workers:

            async def told(worker: WorkerProcess = worker) -> bool:
                text = (await client.get(f"http://127.0.0.1:{worker.web_port}/metrics")).text
                lag = r'^headgate_lag_events\{partition="\d+",worker="\w+"\} 0\.0$'
                partitions = re.findall(lag, text, re.MULTILINE)
                return (
                    f'headgate_worker_events_total{{worker="{worker.kind}"}} 4.0' in text
                    and f'headgate_accepted_to_consumed_seconds_count{{worker="{worker.kind}"}} 4.0' in text
                    and len(partitions) == 4
                    and (worker.kind == "journal" or 'headgate_counted_total{worker="metrics"} 4.0' in text)
                )

            await eventually(told, seconds=60, what=f"the figures of {worker.kind}")


@pytest.mark.timeout(120)
async def test_a_collector_that_is_away_holds_nobody(database_url: str, kafka: Kafka, topics: Topics) -> None:
    given = {"otel_exporter_otlp_endpoint": f"http://127.0.0.1:{free_port()}"}
    async with asyncio.timeout(60):
        async with served(settings_for(database_url, kafka, topics, **given)) as (_, client):
            for _ in range(20):
                assert (await client.post("/applications", json=BODY)).status_code == 201
