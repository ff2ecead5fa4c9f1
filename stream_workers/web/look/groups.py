"""The consumer groups as the broker has them: which workers are there, and which partitions each one owns."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.coordinator.protocol import ConsumerProtocolMemberAssignment

from runtime.kafka.clients import Kafka


@dataclass(frozen=True)
class Member:
    """One worker; ``name`` is what it calls itself, ``id`` what the group calls it, anew each time that it joins."""

    name: str
    host: str
    partitions: Sequence[int]
    id: str = ""


@dataclass(frozen=True)
class Group:
    """``state`` is Kafka's: Stable, PreparingRebalance, CompletingRebalance, Empty or Dead."""

    state: str
    members: Sequence[Member]

    @property
    def settled(self) -> bool:
        return self.state in {"Stable", "Empty", "Dead"}

    def owners(self) -> Mapping[int, str]:
        return {partition: member.name for member in self.members for partition in member.partitions}


class Groups:
    """Asks the broker; connected while somebody looks."""

    def __init__(self, kafka: Kafka, source: str, names: Sequence[str]) -> None:
        self._kafka = kafka
        self._source = source
        self._names = list(names)
        self._admin: AIOKafkaAdminClient | None = None

    async def ask(self) -> Mapping[str, Group]:
        """Every group by name."""
        if self._admin is None:
            admin = self._kafka.admin(request_timeout_ms=4_000)
            await admin.start()
            self._admin = admin
        try:
            # One at a time: aiokafka 0.14 loses the connection over an answer with several groups.
            answers = [answer for name in self._names for answer in await self._admin.describe_consumer_groups([name])]
        except BaseException:
            await self.close()
            raise
        found = [group for answer in answers for group in answer.to_object()["groups"]]
        return {group["group"]: self._group(group) for group in found}

    async def close(self) -> None:
        admin, self._admin = self._admin, None
        if admin is not None:
            await admin.close()

    def _group(self, fields: Mapping[str, Any]) -> Group:
        return Group(fields["state"], sorted(map(self._member, fields["members"]), key=lambda member: member.name))

    def _member(self, fields: Mapping[str, Any]) -> Member:
        assigned = fields["member_assignment"]
        decoded = ConsumerProtocolMemberAssignment.decode(assigned) if assigned else None
        return Member(
            name=fields["client_id"],
            host=fields["client_host"].removeprefix("/"),
            partitions=sorted(at.partition for at in decoded.partitions() if at.topic == self._source)
            if decoded
            else [],
            id=fields["member_id"],
        )
