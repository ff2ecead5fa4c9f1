"""When the end of the log is taken for settled."""

from contextlib import nullcontext
from types import SimpleNamespace
from uuid import UUID

import pytest

from gateway.publish import settlement
from gateway.publish.settlement import settle
from gateway.publish.topic import PartitionState, TopicState
from runtime.kafka.clients import Kafka

FORMER, LATER = (TopicState(UUID(int=1), {0: PartitionState(1, epoch, frozenset({1}))}) for epoch in (1, 2))


class Brokers:
    """A leader whose log reached to 100 and was readable to 50; ten seconds on it comes back with that."""

    seconds = 0

    async def sleep(self, _: float) -> None:
        self.seconds += 1
        assert self.seconds < 100, "it waits for ever"

    async def look(self, *_: object) -> TopicState:
        return FORMER if self.seconds < 10 else LATER

    async def log_ends(self, _: object, __: str, state: TopicState) -> dict[int, int]:
        return {0: 100 if state == FORMER else 50}

    async def readable_ends(self, *_: object, at: int = 50) -> dict[int, int]:
        return {0: max(at, 0)}

    async def min_in_sync(self, *_: object) -> int:
        return 1

    async def replica_lag_seconds(self, *_: object) -> float:
        return 1


async def test_an_end_that_is_gone_with_its_leader_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    found = Brokers()
    for name in ("look", "log_ends", "readable_ends", "min_in_sync", "replica_lag_seconds"):
        monkeypatch.setattr(settlement, name, getattr(found, name))
    monkeypatch.setattr(settlement, "brokers", lambda _: nullcontext(SimpleNamespace()))
    settled = await settle(
        kafka=Kafka(""), topic="t", request_seconds=1, clock=lambda: found.seconds, sleep=found.sleep
    )
    assert (settled.state, settled.ends) == (LATER, {0: 50})
