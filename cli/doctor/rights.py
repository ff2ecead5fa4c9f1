"""Rights: each one that a part of Headgate needs, as the brokers grant it to whoever runs the doctor."""

from collections.abc import Iterator, Mapping
from typing import Any

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import (
    ClusterAuthorizationFailedError,
    GroupAuthorizationFailedError,
    GroupCoordinatorNotAvailableError,
)

from cli.doctor.finding import Finding, failed, ok, warning
from cli.topics.rights import Resource, Right, rights
from contracts import Topics
from runtime.kafka.metadata import GroupRightsRequest, TopicMetadataRequest

# The bits of Kafka's authorized operations.
_BITS = {"Read": 3, "Write": 4, "Create": 5, "Alter": 7, "Describe": 8, "DescribeConfigs": 10}
_UNKNOWN = -(2**31)
_NO_RIGHT = {29, 30, 31}  # TOPIC_, GROUP_ and CLUSTER_AUTHORIZATION_FAILED

Granted = Mapping[tuple[Resource, str], int]


async def examine_rights(client: AIOKafkaAdminClient, topics: Topics) -> list[Finding]:
    """One finding for each part that lacks a right; what the brokers do not tell counts as granted."""
    wanted = rights(topics)
    granted = {right.name: await _granted(client, right) for right in {right.name: right for right in wanted}.values()}
    lacking = [(right, missing) for right in wanted if (missing := _missing(right, granted[right.name]))]
    return list(_findings(lacking)) or [ok("rights", "all that Headgate needs")]


def _findings(lacking: list[tuple[Right, list[str]]]) -> Iterator[Finding]:
    for right, missing in lacking:
        what = f"rights of the {right.part} on {right.name}"
        found = f"{', '.join(missing)} on the {right.resource} {right.name} is not allowed"
        remedy = "`headgate topics acls` prints what to allow."
        if right.without:
            yield warning(what, f"{found}: {right.without}", remedy)
        else:
            yield (warning if right.part == "commands" else failed)(what, found, remedy)


def _missing(right: Right, granted: int) -> list[str]:
    return [operation for operation in right.operations if not granted & 1 << _BITS[operation]]


async def _granted(client: AIOKafkaAdminClient, right: Right) -> int:
    """The bits that the brokers tell; all of them (-1) where they do not."""
    if right.resource == "topic":
        return await _of_topic(client, right.name)
    return await (_of_group(client, right.name) if right.resource == "group" else _of_cluster(client))


async def _of_topic(client: AIOKafkaAdminClient, name: str) -> int:
    inner: Any = client._client
    answer = await inner.send(inner.get_random_node(), TopicMetadataRequest(name, with_rights=True))
    error, *_, operations, _ = answer.topics[0]
    return _bits(error, operations)


async def _of_group(client: AIOKafkaAdminClient, name: str) -> int:
    try:
        answer: Any = await client._client.send(await client.find_coordinator(name), GroupRightsRequest(name))
    except GroupAuthorizationFailedError:
        return 0
    except GroupCoordinatorNotAvailableError:
        return -1  # there has been no group yet: the brokers make what they keep them in when they are first asked
    error, *_, operations = answer.groups[0]
    return _bits(error, operations)


async def _of_cluster(client: AIOKafkaAdminClient) -> int:
    """Of the cluster it is one right that matters, and it is tried."""
    node = str((await client.describe_cluster())["brokers"][0]["node_id"])
    answers: Any = await client.describe_configs([ConfigResource(ConfigResourceType.BROKER, node, {"broker.id": None})])
    return 0 if answers[0].resources[0][0] == ClusterAuthorizationFailedError.errno else -1


def _bits(error: int, operations: int) -> int:
    if error in _NO_RIGHT:
        return 0
    return -1 if error or operations == _UNKNOWN else operations
