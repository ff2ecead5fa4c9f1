"""Kafka: brokers that answer, topics of the right shape, partitions with leaders, and how far the workers are."""

from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Any

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType

from cli.doctor.finding import Finding, failed, ok, warning
from cli.doctor.rights import examine_rights
from cli.errors import CommandError
from cli.topics.admin import admin, shapes_of
from contracts import Topics
from gateway.settings import Settings
from runtime.kafka.access.exposure import exposed
from runtime.kafka.clients import Kafka
from stream_workers.books.shelf import BOOKS
from stream_workers.books.states import Totals, read_states, totals
from stream_workers.errors import KafkaAwayError, LaterVersionError
from stream_workers.exact.ledger import rank
from stream_workers.kafka.broker import Broker
from stream_workers.kinds import KINDS, METRICS, Kind
from stream_workers.letters.dead_letters import TOPIC_BYTES

LAG_EVENTS = 10_000
# What a record of the largest application needs, headers and batch included.
MESSAGE_BYTES = 512 * 1024

_CONFIGS = ("cleanup.policy", "max.message.bytes", "min.insync.replicas", "retention.ms")


async def examine(settings: Settings) -> list[Finding]:
    """Everything about the brokers and topics; one finding if nobody answers."""
    kafka, topics = settings.kafka, settings.topics
    try:
        async with admin(kafka) as client:
            brokers = len((await client.describe_cluster())["brokers"])
            allowed = await examine_rights(client, topics)
            if any(finding.status == "failed" for finding in allowed):
                return allowed
            shapes, configs = await _shapes(client, topics), await _configs(client, topics)
    except (CommandError, OSError, TimeoutError) as error:
        remedy = "Start Kafka, or set KAFKA_BOOTSTRAP_SERVERS to where it listens."
        return [failed("Kafka", str(error) or f"{kafka} does not answer", remedy)]
    found = [
        ok("Kafka", f"{brokers} broker{'s' * (brokers != 1)} at {kafka}"),
        *allowed,
        *_topics(topics, shapes, configs),
        *_happened(topics, shapes),
    ]
    if said := exposed(kafka):
        found.append(warning("encryption", said, "See docs/kafka.md."))
    if any(finding.status == "failed" for finding in found):
        return found
    return [*found, *await _workers(kafka, topics)]


async def _configs(client: AIOKafkaAdminClient, topics: Topics) -> dict[str, dict[str, str]]:
    wanted = [ConfigResource(ConfigResourceType.TOPIC, name, dict.fromkeys(_CONFIGS)) for name in _names(topics)]
    answers: Any = await client.describe_configs(wanted)
    return {
        resource[3]: {entry[0]: entry[1] for entry in resource[4]}
        for answer in answers
        for resource in answer.resources
        if resource[0] == 0
    }


async def _shapes(client: AIOKafkaAdminClient, topics: Topics) -> dict[str, list[dict[str, Any]]]:
    """Of the last one nothing is concluded where Kafka does not tell of it: everything works without."""
    shapes = await shapes_of(client, _names(topics))
    with suppress(CommandError):
        shapes |= await shapes_of(client, [topics.happened])
    return shapes


def _happened(topics: Topics, shapes: Mapping[str, list[dict[str, Any]]]) -> Iterator[Finding]:
    if topics.happened not in shapes:
        return
    what = f"topic {topics.happened}"
    if shapes[topics.happened]:
        yield ok(what, "what happens is kept")
    else:
        yield warning(what, "is not there: what happens is not kept", "Run `headgate topics create`.")


def _names(topics: Topics) -> list[str]:
    return [topics.applications, topics.dead_letters, *_changelogs(topics)]


def _changelogs(topics: Topics) -> list[str]:
    return [kind.changelog(topics) for kind in KINDS.values()]


def _topics(
    topics: Topics, shapes: Mapping[str, list[dict[str, Any]]], configs: Mapping[str, Mapping[str, str]]
) -> Iterator[Finding]:
    source = len(shapes.get(topics.applications, ()))
    changelogs = _changelogs(topics)
    for name in _names(topics):
        partitions = shapes.get(name, [])
        what, config = f"topic {name}", configs.get(name, {})
        if not partitions:
            yield failed(what, "is not there", "Run `headgate topics create`.")
        elif name in changelogs and len(partitions) != source:
            yield failed(what, f"{len(partitions)} partitions, {topics.applications} has {source}", _EQUAL)
        elif leaderless := [partition["partition"] for partition in partitions if partition["leader"] < 0]:
            yield failed(what, f"no leader for partition {leaderless[0]}", "Bring the brokers back that hold it.")
        elif not config:
            remedy = "Grant DescribeConfigs on it: whether what it keeps is right cannot be seen without."
            yield warning(what, "Kafka does not tell its settings", remedy)
        else:
            least = TOPIC_BYTES if name == topics.dead_letters else MESSAGE_BYTES
            found = _replicas(what, partitions, config) or _room(what, config, least)
            yield found or _policy(what, config, compacted=name in changelogs)


_EQUAL = "They must be equal: set KAFKA_PARTITIONS to the larger number and run `headgate topics grow`."


def _replicas(what: str, partitions: list[dict[str, Any]], config: Mapping[str, str]) -> Finding | None:
    needed = int(config.get("min.insync.replicas", 1))
    replicas = min(len(partition["replicas"]) for partition in partitions)
    in_sync = min(len(partition["isr"]) for partition in partitions)
    found = f"{in_sync} of {replicas} replicas in sync, {needed} needed"
    if needed > replicas:
        remedy = "Nothing can be published: lower KAFKA_MIN_INSYNC_REPLICAS or raise KAFKA_REPLICATION_FACTOR."
        return failed(what, found, remedy)
    if in_sync < needed:
        return failed(what, found, "Nothing can be published until a broker is back.")
    return warning(what, found, "A broker is away or behind.") if in_sync < replicas else None


def _room(what: str, config: Mapping[str, str], least: int) -> Finding | None:
    largest = int(config.get("max.message.bytes", least))
    if largest >= least:
        return None
    lost = "of a large dead letter only a part is kept" if least == TOPIC_BYTES else "large ones are unpublishable"
    return warning(what, f"max.message.bytes is {largest}", f"Set max.message.bytes to {least} or more: {lost}.")


def _policy(what: str, config: Mapping[str, str], *, compacted: bool) -> Finding:
    policy = config.get("cleanup.policy", "")
    if compacted and policy != "compact":
        remedy = "Set cleanup.policy=compact: states would be removed by age, and counting would start over."
        return failed(what, f"cleanup.policy is {policy}", remedy)
    if not compacted and "compact" in policy:
        remedy = "Set cleanup.policy=delete: compaction takes events away before they are counted."
        return failed(what, f"cleanup.policy is {policy}", remedy)
    return ok(what, f"{policy}, kept {_kept(config.get('retention.ms', ''))}" if not compacted else "compact")


def _kept(milliseconds: str) -> str:
    return f"{int(milliseconds) / 86_400_000:.0f} days" if milliseconds.isdigit() else "for ever"


async def _workers(kafka: Kafka, topics: Topics) -> list[Finding]:
    """How far both groups are, and what they could not read."""
    try:
        states = {kind: await read_states(kafka, topics, kind) for kind in KINDS.values()}
        async with await Broker.connected(kafka) as broker:  # after the states: the topic goes on meanwhile
            id_ = await broker.known_topic_id(topics.applications)
            ends = await broker.end_offsets(topics.applications, await broker.known_partitions(topics.applications))
        values = {kind: held.values for kind, held in states.items()}
        found = [_former(kind, id_, ends, values[kind]) or _behind(kind.name, ends, values[kind]) for kind in values]
        counted = totals(values[METRICS])
    except KafkaAwayError as error:
        return [failed("workers", str(error), "See what Kafka's log says.")]
    except LaterVersionError as error:
        return [failed("workers", str(error), "Run the doctor of the version that the workers have.")]
    found += [warning(f"states of {kind}", str(held.junk), _JUNK) for kind, held in states.items() if held.junk]
    return [*found, *_counting(counted)]


_JUNK = (
    "Find out who else writes there, and keep them off (docs/operations.md). No worker takes it for its own; under a "
    "state's key it goes with the next compaction."
)


def _counting(totals: Mapping[int, Totals]) -> list[Finding]:
    """Whether every offset is booked once, and what could not be read."""
    dead = sum(total.dead for total in totals.values())
    inexact = [p for p, t in totals.items() if not t.exact]
    counting = (
        failed("counting", f"partition {inexact[0]} does not add up", "docs/runbook/counting-not-exact.md")
        if inexact
        else ok("counting", f"{sum(total.counted for total in totals.values())} counted, every offset once")
    )
    letters = (
        warning("dead letters", str(dead), "See `headgate dead-letters list`.") if dead else ok("dead letters", "none")
    )
    return [counting, letters]


def _former(kind: Kind, topic_id: str, ends: Mapping[int, int], values: Mapping[int, bytes]) -> Finding | None:
    """Whether its states are of another topic than there is."""
    states = {partition: BOOKS[kind.name].decode(value) for partition, value in values.items()}
    former = [p for p, state in states.items() if state.topic_id != topic_id or state.last_offset >= ends.get(p, 0)]
    if not former:
        return None
    remedy = f"Was it made anew on purpose? Stop the workers and run `headgate metrics rebuild --table {kind.table}`."
    return failed(f"{kind.name} worker", f"the topic is not the one that it has read (partition {former[0]})", remedy)


def _behind(kind: str, ends: Mapping[int, int], states: Mapping[int, bytes]) -> Finding:
    reached = {partition: order[1] + 1 for partition, value in states.items() if (order := rank(value))}
    lag = sum(max(0, end - reached.get(partition, 0)) for partition, end in ends.items())
    what = f"{kind} worker"
    if not lag:
        return ok(what, "has read everything")
    found = f"{lag} events behind"
    if lag < LAG_EVENTS and states:
        return ok(what, found)
    return warning(what, found, f"Is it running (`headgate worker {kind}`)? docs/runbook/lag.md")
