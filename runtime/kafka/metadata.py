"""A request that aiokafka does not speak: metadata with a topic's id, which tells a topic from one made anew.

Built from aiokafka's own protocol types, which are private: pinned to an exact version, tested against a real broker.
Source: Apache Kafka protocol guide, Metadata v12 (the first that tells the id is 10; aiokafka 0.14 stops at 5).
"""

from io import BytesIO
from uuid import UUID

from aiokafka.errors import KafkaError
from aiokafka.protocol.abstract import AbstractType
from aiokafka.protocol.admin import DescribeGroupsRequest_v3, DescribeGroupsResponse_v3
from aiokafka.protocol.api import Request, RequestStruct, Response
from aiokafka.protocol.types import Boolean, CompactArray, CompactString, Int16, Int32, Schema, TaggedFields


class TooOldError(KafkaError):
    """These brokers do not know a request that exactness rests on."""


class Uuid(AbstractType[UUID]):
    """Sixteen bytes."""

    @classmethod
    def encode(cls, value: UUID) -> bytes:
        return value.bytes

    @classmethod
    def decode(cls, data: BytesIO) -> UUID:
        return UUID(bytes=data.read(16))


_ANY = UUID(int=0)

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
    """Leaders, epochs, in-sync replicas and the id of one topic, and what one may there; never creates it."""

    API_KEY = 3

    def __init__(self, topic: str, *, with_rights: bool = False) -> None:
        self._topic, self._with_rights = topic, with_rights

    def prepare(self, versions: dict[int, tuple[int, int]]) -> MetadataRequestV12:
        """For brokers that speak these versions; TooOldError where they tell no ids."""
        least, most = versions.get(self.API_KEY, (0, 0))
        if not least <= MetadataRequestV12.API_VERSION <= most:
            raise TooOldError("this Kafka tells no ids of topics, as those from 3.0 on do: docs/kafka.md")
        return super().prepare(versions)

    def build(self, request_struct_class: type[MetadataRequestV12]) -> MetadataRequestV12:
        return request_struct_class([(_ANY, self._topic, {})], False, self._with_rights, {})


class GroupRightsRequestV3(RequestStruct):
    API_KEY = 15
    API_VERSION = 3
    RESPONSE_TYPE = DescribeGroupsResponse_v3
    SCHEMA = DescribeGroupsRequest_v3.SCHEMA


class GroupRightsRequest(Request[GroupRightsRequestV3]):
    """What one may on a consumer group, asked of its coordinator; aiokafka reads its answer as an older one."""

    API_KEY = 15

    def __init__(self, group: str) -> None:
        self._group = group

    def build(self, request_struct_class: type[GroupRightsRequestV3]) -> GroupRightsRequestV3:
        return request_struct_class([self._group], True)
