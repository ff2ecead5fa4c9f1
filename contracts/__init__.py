"""What the gateway and the stream workers agree on; knows pydantic and the standard library only."""

from contracts.application import (
    DESCRIPTION_MAX,
    USER_NAME_MAX,
    Application,
    Description,
    NewApplication,
    UserName,
    created_at_text,
)
from contracts.codec import (
    EVENT_SOURCE,
    EVENT_TYPE,
    REPLAYED_HEADER,
    Header,
    UndecodableError,
    fresh_traceparent,
    from_record,
    header,
    id_of,
    to_headers,
    to_key,
    to_value,
)
from contracts.database_url import DatabaseUrl, hosts_of
from contracts.primary import HOST_ROLE, NoPrimaryError, Primary
from contracts.topics import BOOTSTRAP_SERVERS, JOURNAL_TABLE, METRICS_TABLE, Topics

__all__ = [
    "BOOTSTRAP_SERVERS",
    "DESCRIPTION_MAX",
    "EVENT_SOURCE",
    "EVENT_TYPE",
    "HOST_ROLE",
    "JOURNAL_TABLE",
    "METRICS_TABLE",
    "REPLAYED_HEADER",
    "USER_NAME_MAX",
    "Application",
    "DatabaseUrl",
    "Description",
    "Header",
    "NewApplication",
    "NoPrimaryError",
    "Primary",
    "Topics",
    "UndecodableError",
    "UserName",
    "created_at_text",
    "fresh_traceparent",
    "from_record",
    "header",
    "hosts_of",
    "id_of",
    "to_headers",
    "to_key",
    "to_value",
]
