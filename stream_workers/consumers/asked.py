"""What the brokers say of the groups that read a topic, and of how long the topic keeps its events."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.coordinator.protocol import ConsumerProtocolMemberAssignment
from aiokafka.errors import KafkaError, for_code
from aiokafka.protocol.commit import OffsetFetchRequest

# Groups that are asked for at one time, in the order of their names.
GROUPS_MAX = 100


@dataclass(frozen=True)
class Asked:
    """One group; ``members`` (names with their partitions) is None where the broker tells of none that it has.

    ``committed``: the next offset of each partition that it committed one of. ``why``: what was not told, and why.
    """

    name: str
    state: str | None
    members: Mapping[str, Sequence[int]] | None
    committed: Mapping[int, int]
    why: str | None = None


@dataclass(frozen=True)
class Groups:
    """Those that have to do with the topic, of ``total`` that Kafka lists; retention is None where it is not told."""

    found: Sequence[Asked]
    total: int
    retention_seconds: float | None
    retention_why: str | None


async def ask_groups(client: AIOKafkaAdminClient, topic: str, partitions: Sequence[int]) -> Groups:
    """Ask the brokers; KafkaError where they do not answer at all."""
    listed = sorted({group[0] for group in await client.list_consumer_groups()})
    asked = [await _ask(client, name, topic, partitions) for name in listed[:GROUPS_MAX]]
    found = [group for group in asked if group.committed or group.why or any((group.members or {}).values())]
    kept, why = await _retention(client, topic)
    return Groups(found, len(listed), kept, why)


async def _ask(client: AIOKafkaAdminClient, name: str, topic: str, partitions: Sequence[int]) -> Asked:
    try:
        where = await client.find_coordinator(name)
        committed = await _committed(client, name, topic, partitions, where)
        described = (await client.describe_consumer_groups([name], where))[0].to_object()["groups"][0]
        if described["error_code"]:
            raise for_code(described["error_code"])
    except KafkaError as error:
        return Asked(name, None, None, {}, type(error).__name__)
    state = described["state"]
    # A group of Kafka's newer protocol is described by another request: of its members nothing is known here.
    unknown = state == "Dead" and bool(committed)
    members = None if unknown else _members(described["members"], topic)
    return Asked(name, None if unknown else state, members, committed)


async def _committed(
    client: AIOKafkaAdminClient, name: str, topic: str, partitions: Sequence[int], coordinator: int
) -> Mapping[int, int]:
    """aiokafka's own call takes a refusal for "nothing committed"."""
    request = OffsetFetchRequest(name, [(topic, list(partitions))])
    answer: Any = await client._send_request(request, coordinator)
    if error := getattr(answer, "error_code", 0):
        raise for_code(error)
    found = {}
    for _, answers in answer.topics:
        for partition, offset, _, error in answers:
            if error:
                raise for_code(error)
            found[partition] = offset
    return {partition: offset for partition, offset in found.items() if offset >= 0}


def _members(members: Sequence[Mapping[str, Any]], topic: str) -> dict[str, list[int]]:
    """Partitions by the names of members; those with one name are one."""
    found: dict[str, list[int]] = {}
    for member in members:
        held = found.setdefault(f"{member['client_id']} {member['client_host']}".strip(), [])
        held += _assigned(member["member_assignment"], topic)
    return {name: sorted(held) for name, held in sorted(found.items())}


def _assigned(assignment: bytes, topic: str) -> list[int]:
    try:
        decoded = ConsumerProtocolMemberAssignment.decode(assignment) if assignment else None
        return [at.partition for at in decoded.partitions() if at.topic == topic] if decoded else []
    except (ValueError, TypeError, LookupError, AttributeError):
        return []  # another protocol than that of consumers


async def _retention(client: AIOKafkaAdminClient, topic: str) -> tuple[float | None, str | None]:
    """Seconds, infinite for ever; None with the reason where it is not told."""
    try:
        wanted = [ConfigResource(ConfigResourceType.TOPIC, topic, {"retention.ms": ""})]
        answers: Any = await client.describe_configs(wanted)
        resource = answers[0].resources[0]
        if resource[0]:
            raise for_code(resource[0])
        (kept,) = (int(entry[1]) for entry in resource[4] if entry[0] == "retention.ms")
    except (KafkaError, ValueError, LookupError) as error:
        return None, type(error).__name__
    return (float("inf") if kept < 0 else kept / 1000), None
