"""Every client of Kafka is made here, so that each one gets in the same way, whatever it asks for.

tests/unit/runtime/kafka/test_one_place.py finds a client that is made anywhere else.
"""

from dataclasses import dataclass, field
from typing import Any

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.client import AIOKafkaClient

from runtime.kafka.access.security import Security
from runtime.kafka.access.sessions import keep_sessions
from runtime.kafka.any_bytes import read_any_bytes
from runtime.kafka.uncut import close_uncut


@dataclass(frozen=True)
class Kafka:
    """The brokers to start from, and how to get in; shown as their addresses."""

    bootstrap_servers: str
    security: Security = field(default_factory=Security)

    def __str__(self) -> str:
        return self.bootstrap_servers

    def producer(self, **options: Any) -> AIOKafkaProducer:
        """One that may write; ``options`` are aiokafka's, as everywhere here."""
        return AIOKafkaProducer(**self._addressed(), **options)

    def consumer(self, *topics: str, **options: Any) -> AIOKafkaConsumer:
        """One that survives whatever is on a topic and does not see what a transaction took back."""
        read_any_bytes()
        chosen = {"enable_auto_commit": False, "isolation_level": "read_committed", **options}
        return AIOKafkaConsumer(*topics, **self._addressed(), **chosen)

    def admin(self, **options: Any) -> AIOKafkaAdminClient:
        """One that makes and describes topics and groups."""
        return AIOKafkaAdminClient(**self._addressed(), **options)

    def client(self, **options: Any) -> AIOKafkaClient:
        """One for bare requests."""
        return AIOKafkaClient(**self._addressed(), **options)

    def entry(self) -> dict[str, Any]:
        """How to get in, in aiokafka's words."""
        keep_sessions()
        close_uncut()
        return self.security.options()

    def _addressed(self) -> dict[str, Any]:
        return {"bootstrap_servers": self.bootstrap_servers, **self.entry()}
