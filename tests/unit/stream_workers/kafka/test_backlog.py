"""How far the topic reaches, and when nobody could say."""

from typing import Any

from stream_workers.errors import KafkaAwayError
from stream_workers.kafka.backlog import SILENT_SECONDS, Backlog
from stream_workers.kafka.broker import Brokers


class Silent:
    """A broker that takes ``seconds`` for its answer, or has none."""

    def __init__(self) -> None:
        self.now, self.seconds, self.away = 1_000.0, 0.0, False

    async def partitions(self, _topic: str) -> set[int]:
        return {0}

    async def topic_id(self, _topic: str) -> str:
        return "id"

    async def brokers(self, _topic: str) -> Brokers:
        return Brokers()

    async def end_offsets(self, _topic: str, _partitions: Any) -> dict[int, int]:
        self.now += self.seconds
        if self.away:
            raise KafkaAwayError("away")
        return {0: 1}


def told(backlog: Backlog) -> tuple[Any, Any]:
    return backlog.silence, backlog.away_since


async def test_a_silence_is_remembered_once_it_is_over_whether_refused_or_slow() -> None:
    broker: Any = Silent()
    backlog = Backlog(broker, "applications", clock=lambda: broker.now)
    await backlog.ask()
    broker.now += 2
    await backlog.ask()
    assert backlog.silence is None
    broker.seconds = SILENT_SECONDS + 1
    await backlog.ask()
    assert told(backlog) == ((1_002.0, 1_010.0), None)
    broker.away = True
    await backlog.ask()
    assert told(backlog) == ((1_002.0, 1_010.0), 1_018.0)
    broker.away = False
    await backlog.ask()
    assert told(backlog) == ((1_010.0, 1_026.0), None)
