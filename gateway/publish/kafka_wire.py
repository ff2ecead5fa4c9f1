"""A request that aiokafka does not speak: where a leader's log ends.

Built from aiokafka's own protocol types, which are private: pinned to an exact version, tested against a real broker.
Source: Apache Kafka protocol guide, OffsetForLeaderEpoch v4.
"""

from aiokafka.protocol.api import Request, RequestStruct, Response
from aiokafka.protocol.types import (
    CompactArray,
    CompactString,
    Int16,
    Int32,
    Int64,
    Schema,
    TaggedFields,
)

_NAME = CompactString("utf-8")
_END = (
    ("error_code", Int16),
    ("partition", Int32),
    ("leader_epoch", Int32),
    ("end_offset", Int64),
    ("tags", TaggedFields),
)
_ASKED = (("partition", Int32), ("current_leader_epoch", Int32), ("leader_epoch", Int32), ("tags", TaggedFields))


class LeaderEpochEndResponseV4(Response):
    API_KEY = 23
    API_VERSION = 4
    SCHEMA = Schema(
        ("throttle_time_ms", Int32),
        ("topics", CompactArray(("topic", _NAME), ("partitions", CompactArray(*_END)), ("tags", TaggedFields))),
        ("tags", TaggedFields),
    )


class LeaderEpochEndRequestV4(RequestStruct):
    FLEXIBLE_VERSION = True
    API_KEY = 23
    API_VERSION = 4
    RESPONSE_TYPE = LeaderEpochEndResponseV4
    SCHEMA = Schema(
        ("replica_id", Int32),
        ("topics", CompactArray(("topic", _NAME), ("partitions", CompactArray(*_ASKED)), ("tags", TaggedFields))),
        ("tags", TaggedFields),
    )


class LeaderEpochEndRequest(Request[LeaderEpochEndRequestV4]):
    """The end of the leader's log, records above the high watermark included. ``epochs`` is {partition: epoch}."""

    API_KEY = 23

    def __init__(self, topic: str, epochs: dict[int, int]) -> None:
        self._topic, self._epochs = topic, epochs

    def build(self, request_struct_class: type[LeaderEpochEndRequestV4]) -> LeaderEpochEndRequestV4:
        asked: list[tuple[int, int, int, dict[int, bytes]]] = [
            (partition, epoch, epoch, {}) for partition, epoch in self._epochs.items()
        ]
        return request_struct_class(-1, [(self._topic, asked, {})], {})
