"""The figures of one process in Prometheus's words, and the page made of them and of those of its siblings.

Every sample of a process carries the label ``process``: several processes behind one socket answer a scrape for each
other, and each one's counters stay counters when another is restarted. Sum over them in queries.
"""

from collections.abc import Iterator, Mapping
from math import inf
from typing import Any

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.metrics_core import Metric

from gateway.admission.rate_limit import RateLimiter
from gateway.api.front import Front
from gateway.observability.metrics import Metrics
from gateway.read.replica import Replica
from gateway.service import Gateway
from runtime.exposition import add, labelled, of_counts, of_histogram, of_process

_PUBLISHER_STATES = ("waiting", "memory", "backlog", "condemned", "fenced")


def own(front: Front, process: str) -> list[Metric]:
    """What this process has counted and what it is doing now."""
    gateway = front.running
    families = [
        *counted(gateway.telemetry.metrics),
        *standing(gateway),
        *replicated(gateway.replica),
        *limiting(front.gate.limiter),
        *of_process(),
    ]
    return labelled(families, process=process)


def counted(metrics: Metrics) -> Iterator[Metric]:
    """Everything that grows with what happens."""
    requests = HistogramMetricFamily(
        "headgate_request_duration_seconds",
        "Time from a request's first byte to its answer",
        labels=("method", "route", "status"),
    )
    for (method, route, status), histogram in list(metrics.requests.items()):
        add(requests, (method, route, str(status)), histogram)
    yield requests
    yield of_histogram("headgate_commit_batch_size", "Applications in one group commit", metrics.commit_size)
    yield of_histogram(
        "headgate_commit_wait_seconds",
        "Time that the first of a batch waited for its commit to begin",
        metrics.commit_wait,
    )
    yield of_histogram("headgate_commit_duration_seconds", "Time of one group commit", metrics.commit_seconds)
    yield of_counts(
        "headgate_commit_failures", "Commits that did not end as usual, by reason", "reason", metrics.commit_failures
    )
    yield of_histogram("headgate_publish_batch_size", "Applications in one send to Kafka", metrics.publish_size)
    yield of_histogram(
        "headgate_publish_duration_seconds", "Time until Kafka acknowledged one send", metrics.publish_seconds
    )
    yield of_counts("headgate_publish_failures", "Sends that failed, by reason", "reason", metrics.publish_failures)
    yield of_histogram(
        "headgate_accepted_to_published_seconds",
        "Time from the application's id to Kafka's acknowledgement",
        metrics.accepted_to_published,
    )
    yield CounterMetricFamily(
        "headgate_idempotent_replays", "Requests answered with the first answer again", value=metrics.replays
    )
    judged = {"granted": metrics.granted, "refused": metrics.refused}
    yield of_counts("headgate_rate_limit_decisions", "Calls judged by the rate limit, by outcome", "outcome", judged)


def standing(gateway: Gateway) -> Iterator[Metric]:
    """Totals and states that the parts keep themselves."""
    writer, publisher, recovery = gateway.writer, gateway.publisher, gateway.recovery
    yield CounterMetricFamily("headgate_accepted", "Applications committed by this process", value=writer.committed)
    yield CounterMetricFamily(
        "headgate_published", "Applications acknowledged by Kafka, those of others left out", value=publisher.published
    )
    yield GaugeMetricFamily(
        "headgate_queue_applications", "Applications that wait for a commit", value=len(writer.queue)
    )
    yield GaugeMetricFamily(
        "headgate_publisher_memory_applications",
        "Applications in memory that wait for Kafka",
        value=publisher.in_memory,
    )
    state = GaugeMetricFamily("headgate_publisher_state", "1 for the state that the publisher is in", labels=("state",))
    for name in _PUBLISHER_STATES:
        state.add_metric((name,), float(publisher.state == name))
    yield state
    yield GaugeMetricFamily("headgate_lease_held", "1 while a lease is held", value=gateway.keeper.lease is not None)
    yield GaugeMetricFamily("headgate_streams_open", "Streams and exports that are open", value=gateway.followers.open)
    yield GaugeMetricFamily("headgate_draining", "1 while the process is stopping", value=gateway.draining)
    outcomes = CounterMetricFamily(
        "headgate_recovery_applications", "Applications of claimed leases, by what became of them", labels=("outcome",)
    )
    for name in ("already_there", "sent", "set_aside"):
        outcomes.add_metric((name,), getattr(recovery, name))
    yield outcomes
    yield CounterMetricFamily(
        "headgate_recovery_claimed", "Leases of gateways gone that were claimed", value=recovery.claimed
    )
    yield GaugeMetricFamily("headgate_recovery_draining", "Claimed leases being drained", value=len(recovery.phases))
    yield GaugeMetricFamily(
        "headgate_recovery_stopped",
        "Leases that wait for a person or for a newer version",
        value=len(recovery.stopped),
    )


def replicated(replica: Replica | None) -> Iterator[Metric]:
    """Which reads the replica took, and how far it is behind; nothing where there is none."""
    if replica is None:
        return
    yield of_counts("headgate_replica_reads", "Reads meant for the replica, by outcome", "outcome", replica.outcomes)
    yield GaugeMetricFamily("headgate_replica_up", "1 while the replica is read", value=replica.usable)
    if replica.lag < inf:
        yield GaugeMetricFamily("headgate_replica_lag_seconds", "How far it is behind at most", value=replica.lag)


def limiting(limiter: RateLimiter | None) -> Iterator[Metric]:
    """Whether the limiter's store answers; nothing where there is no limit."""
    if limiter is None:
        return
    yield CounterMetricFamily(
        "headgate_rate_limit_fallbacks", "Calls judged by local memory for want of Redis", value=limiter.fallbacks
    )
    yield GaugeMetricFamily("headgate_rate_limit_store_up", "0 while Redis does not answer", value=not limiter.away)


def shared(report: Mapping[str, Any]) -> Iterator[Metric]:
    """What is the same for all processes, from a health report: take the highest over gateways, do not sum."""
    database, kafka = (report["dependencies"][name] for name in ("postgresql", "kafka"))
    up = GaugeMetricFamily("headgate_dependency_up", "1 while a dependency answers", labels=("dependency",))
    up.add_metric(("postgresql",), float(database["status"] == "ok"))
    up.add_metric(("kafka",), float(kafka["status"] == "ok"))
    yield up
    if database["status"] != "ok":
        return
    yield GaugeMetricFamily(
        "headgate_outbox_batches",
        "Committed batches whose publishing is not confirmed",
        value=database["outbox"]["batches"],
    )
    yield GaugeMetricFamily(
        "headgate_outbox_oldest_seconds", "Age of the oldest of them", value=database["outbox"]["oldest_seconds"]
    )
    yield GaugeMetricFamily(
        "headgate_unpublishable", "Applications that Kafka refuses for their content", value=database["unpublishable"]
    )
    yield GaugeMetricFamily(
        "headgate_leases_being_drained", "Leases of gateways gone", value=database["leases_being_drained"]
    )
    yield GaugeMetricFamily(
        "headgate_next_month_ready", "0 while the coming month has no partition", value=database["next_month"]
    )
