"""How far the topic reaches, asked of the broker itself every few seconds."""

import time
from collections.abc import Callable

from stream_workers.errors import KafkaAwayError
from stream_workers.kafka.broker import Broker, Brokers

POLL_SECONDS = 2.0
# Asked every two seconds, its silence is told after this long.
SILENT_SECONDS = 7.0
# The topic's id, its number of partitions and the brokers change rarely.
DESCRIBE_EVERY = 3


class Backlog:
    """``ends`` is what the broker said at ``as_of`` (seconds since 1970); ``away_since`` is set while it is silent.

    ``silence``: the last one that is over and was worth telling, from when to when; also where no question failed, but
    its answer took so long.
    """

    def __init__(self, broker: Broker, topic: str, *, clock: Callable[[], float] = time.time) -> None:
        self.ends: dict[int, int] = {}
        self.topic_id: str | None = None
        self.brokers = Brokers()
        self.as_of: float | None = None
        self.away_since: float | None = None
        self.silence: tuple[float, float] | None = None
        self._broker = broker
        self._topic = topic
        self._clock = clock
        self._partitions: set[int] = set()
        self._asked = 0

    async def ask(self) -> None:
        """Ask once."""
        try:
            if self._asked % DESCRIBE_EVERY == 0:
                self._partitions = await self._broker.partitions(self._topic)
                self.topic_id = await self._broker.topic_id(self._topic)
                self.brokers = await self._broker.brokers(self._topic)
            self.ends = await self._broker.end_offsets(self._topic, self._partitions)
        except KafkaAwayError:
            self.away_since = self.away_since or self._clock()
        else:
            self._asked += 1
            heard, self.as_of = self.as_of, self._clock()
            self.away_since = None
            if heard is not None and self.as_of - heard > SILENT_SECONDS:
                self.silence = (heard, self.as_of)
