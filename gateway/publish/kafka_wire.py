"""Two requests that aiokafka does not speak: metadata with topic ids, and where a leader's log ends.

Built from aiokafka's own protocol types, which are private: pinned to an exact version, tested against a real broker.
Source: Apache Kafka protocol guide, Metadata v12 and OffsetForLeaderEpoch v4.
"""

from io import BytesIO

from aiokafka.protocol.abstract import AbstractType
from aiokafka.protocol.api import Request, RequestStruct, Response
from aiokafka.protocol.types import (
    Boolean,
    CompactArray,
    CompactString,
    Int16,
    Int32,
    Int64,
    Schema,
    TaggedFields,
)


class Uuid(AbstractType[bytes]):
    """Sixteen bytes."""

    @classmethod
    def encode(cls, value: bytes) -> bytes:
        return value

    @classmethod
    def decode(cls, data: BytesIO) -> bytes:
        return data.read(16)


ZERO_ID = bytes(16)

_NAME = CompactString("utf-8")
_BROKER = (("node_id", Int32), ("host", _NAME), ("port", Int32), ("rack", _NAME), ("tags", TaggedFields))
_PARTITION = (
    ("error_code", Int16),
    ("partition", Int32),
    ("leader", Int32),
    ("leader_epoch", Int32),
    ("replicas", CompactArray(Int32)),
    ("isr", CompactArray(Int32)),
    ("offline_replicas", CompactArray(Int32)),
    ("tags", TaggedFields),
)
_TOPIC = (
    ("error_code", Int16),
    ("name", _NAME),
    ("topic_id", Uuid),
    ("is_internal", Boolean),
    ("partitions", CompactArray(*_PARTITION)),
    ("authorized_operations", Int32),
    ("tags", TaggedFields),
)


class MetadataResponseV12(Response):
    API_KEY = 3
    API_VERSION = 12
    SCHEMA = Schema(
        ("throttle_time_ms", Int32),
        ("brokers", CompactArray(*_BROKER)),
        ("cluster_id", _NAME),
        ("controller_id", Int32),
        ("topics", CompactArray(*_TOPIC)),
        ("tags", TaggedFields),
    )


class MetadataRequestV12(RequestStruct):
    FLEXIBLE_VERSION = True
    API_KEY = 3
    API_VERSION = 12
    RESPONSE_TYPE = MetadataResponseV12
    SCHEMA = Schema(
        ("topics", CompactArray(("topic_id", Uuid), ("name", _NAME), ("tags", TaggedFields))),
        ("allow_auto_topic_creation", Boolean),
        ("include_topic_authorized_operations", Boolean),
        ("tags", TaggedFields),
    )


class TopicMetadataRequest(Request[MetadataRequestV12]):
    """Leaders, epochs, in-sync replicas and the id of one topic."""

    API_KEY = 3

    def __init__(self, topic: str) -> None:
        self._topic = topic

    def build(self, request_struct_class: type[MetadataRequestV12]) -> MetadataRequestV12:
        return request_struct_class([(ZERO_ID, self._topic, {})], False, False, {})


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
