"""Settings of the commands alone: the shape in which the topics are made, and what `headgate retention` keeps."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from pydantic import Field

from runtime.bounds import Bound, BoundSettings


@dataclass(frozen=True)
class Shape:
    """How the topics are laid out; ``retention_days`` 0 keeps events for ever."""

    partitions: int = 4
    replication_factor: int = 1
    min_insync_replicas: int = 1
    retention_days: int = 30


class Settings(BoundSettings):
    """One frozen tree; an impossible value stops the command with a message that names it."""

    bounds: ClassVar[Sequence[Bound]] = (
        Bound(
            "kafka_min_insync_replicas",
            "kafka_replication_factor",
            "with fewer replicas than must be in sync nothing can be written",
        ),
    )

    kafka_partitions: int = Field(4, ge=1, le=1000, description="of every topic; Faust needs the same for all")
    kafka_replication_factor: int = Field(1, ge=1, le=9, description="brokers that keep a copy of every event")
    kafka_min_insync_replicas: int = Field(
        1, ge=1, le=9, description="replicas that must have an event before the 201's event counts as published"
    )
    kafka_retention_days: int = Field(30, ge=0, le=36500, description="how long events are kept; 0 = for ever")

    retention_months: int = Field(
        0, ge=0, le=1200, description="months before this one that `headgate retention` keeps in PostgreSQL; 0 = all"
    )

    def shape(self) -> Shape:
        return Shape(
            partitions=self.kafka_partitions,
            replication_factor=self.kafka_replication_factor,
            min_insync_replicas=self.kafka_min_insync_replicas,
            retention_days=self.kafka_retention_days,
        )
