"""Rights at brokers of our own: who may do what, given and taken away from the listener that needs no login."""

from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from typing import Any, Protocol

from aiokafka.errors import for_code
from aiokafka.protocol.admin import CreateAclsRequest, DeleteAclsRequest

from devstack.kafka.access import USER
from runtime.kafka.clients import Kafka

# Brokers with these settings allow nobody anything but themselves, and whoever is on this machine's own listener.
AUTHORIZER = {
    "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
    "super.users": "User:ANONYMOUS",
}

# The codes of Kafka's protocol.
_RESOURCES = {"topic": 2, "group": 3, "cluster": 4}
_OPERATIONS = {"Read": 3, "Write": 4, "Create": 5, "Alter": 7, "Describe": 8, "DescribeConfigs": 10}
_LITERAL, _ALLOW = 3, 3


class Right(Protocol):
    """What to allow on one topic, group or cluster."""

    @property
    def resource(self) -> str: ...
    @property
    def name(self) -> str: ...
    @property
    def operations(self) -> Sequence[str]: ...


async def allow(kafka: Kafka, wanted: Iterable[Right]) -> None:
    """Give the user of Headgate these rights; harmless where it has them."""
    async with _administrator(kafka) as ask:
        for entry in _entries(wanted):
            [(code, message)] = (await ask(CreateAclsRequest(*entry))).creation_responses
            if code:
                raise for_code(code)(message)


async def forbid(kafka: Kafka, right: Right) -> None:
    """Take them away again."""
    async with _administrator(kafka) as ask:
        for entry in _entries([right]):
            await ask(DeleteAclsRequest(*entry))


def _entries(wanted: Iterable[Right]) -> Iterable[tuple[Any, ...]]:
    for right in wanted:
        for operation in right.operations:
            place = _RESOURCES[right.resource], right.name, _LITERAL
            yield *place, f"User:{USER}", "*", _OPERATIONS[operation], _ALLOW


@asynccontextmanager
async def _administrator(kafka: Kafka) -> AsyncIterator[Any]:
    client = kafka.client()
    await client.bootstrap()

    async def ask(request: Any) -> Any:
        return await client.send(client.get_random_node(), request)

    try:
        yield ask
    finally:
        await client.close()
