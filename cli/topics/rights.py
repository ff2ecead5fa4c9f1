"""What each part of Headgate must be allowed on Kafka, and what happens where it is not."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from contracts import Topics
from stream_workers.kinds import KINDS, METRICS

Resource = Literal["topic", "group", "cluster"]
CLUSTER = "kafka-cluster"


@dataclass(frozen=True)
class Right:
    """``without``: what is done where it is missing; empty where the part does not work then."""

    part: str
    resource: Resource
    name: str
    operations: tuple[str, ...]
    without: str = ""


def rights(topics: Topics) -> list[Right]:
    """All of them, part by part."""
    return [*_gateway(topics), *_workers(topics), *_commands(topics)]


def _gateway(topics: Topics) -> Iterator[Right]:
    yield Right("gateway", "topic", topics.applications, ("Describe", "Read", "Write"))
    yield Right(
        "gateway",
        "topic",
        topics.applications,
        ("DescribeConfigs",),
        "one replica in sync is taken for enough, and batches of up to 512 KiB for small enough",
    )
    unseen = "the status of an application does not say whether it is counted"
    yield Right("gateway", "group", METRICS.group(topics), ("Describe",), unseen)
    yield Right(
        "gateway",
        "cluster",
        CLUSTER,
        ("DescribeConfigs",),
        "replica.lag.time.max.ms is taken for Kafka's default, 30 s: recovery waits so long",
    )


def _workers(topics: Topics) -> Iterator[Right]:
    for kind in KINDS.values():
        part = f"worker {kind.name}"
        yield Right(part, "topic", topics.applications, ("Describe", "Read"))
        yield Right(part, "topic", kind.changelog(topics), ("Describe", "Read", "Write"))
        yield Right(part, "group", kind.group(topics), ("Describe", "Read"))
    metrics = f"worker {METRICS.name}"
    yield Right(metrics, "topic", topics.dead_letters, ("Describe", "Read", "Write"))
    yield Right(metrics, "topic", topics.happened, ("Describe", "Read", "Write"), "what happens is not kept")
    unknown = "the web view does not know when a consumer group is too late"
    yield Right(metrics, "topic", topics.applications, ("DescribeConfigs",), unknown)
    for kind in KINDS.values():
        if kind is not METRICS:
            unseen = f"the web view does not know the {kind.name} worker"
            yield Right(metrics, "topic", kind.changelog(topics), ("Describe", "Read"), unseen)
            yield Right(metrics, "group", kind.group(topics), ("Describe",), unseen)


def _commands(topics: Topics) -> Iterator[Right]:
    changelogs = [kind.changelog(topics) for kind in KINDS.values()]
    yield Right("commands", "topic", topics.happened, ("Describe", "Read", "Create"), "`headgate events` shows none")
    for name in (topics.applications, topics.dead_letters, *changelogs):
        made = "create the topics by hand, as `headgate topics create` would"
        yield Right("commands", "topic", name, ("Describe", "Read", "Write"))
        yield Right("commands", "topic", name, ("Create", "Alter"), made)
        unseen = "the doctor does not see what the topic keeps, and how large its records may be"
        yield Right("commands", "topic", name, ("DescribeConfigs",), unseen)
    for name in (*(kind.group(topics) for kind in KINDS.values()), f"{topics.prefix}redrive"):
        yield Right("commands", "group", name, ("Describe", "Read"))
