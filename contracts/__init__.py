"""What the gateway and the stream workers agree on; knows pydantic and the standard library only."""

from contracts.application import (
    DESCRIPTION_MAX,
    USER_NAME_MAX,
    Application,
    Description,
    NewApplication,
    UserName,
    content_of,
    created_at_text,
)
from contracts.codec import (
    EVENT_SOURCE,
    EVENT_TYPE,
    REPLAYED_HEADER,
    UNREADABLE_HEADER,
    Header,
    Stored,
    UndecodableError,
    fresh_traceparent,
    from_record,
    header,
    id_of,
    is_replay,
    to_headers,
    to_key,
    value_of,
)
from contracts.ids import first_id, last_id, milliseconds_of, time_of
from contracts.lease_figures import LeaseFigures
from contracts.topics import Topics

__all__ = [
    "DESCRIPTION_MAX",
    "EVENT_SOURCE",
    "EVENT_TYPE",
    "REPLAYED_HEADER",
    "UNREADABLE_HEADER",
    "USER_NAME_MAX",
    "Application",
    "Description",
    "Header",
    "LeaseFigures",
    "NewApplication",
    "Stored",
    "Topics",
    "UndecodableError",
    "UserName",
    "content_of",
    "created_at_text",
    "first_id",
    "fresh_traceparent",
    "from_record",
    "header",
    "id_of",
    "is_replay",
    "last_id",
    "milliseconds_of",
    "time_of",
    "to_headers",
    "to_key",
    "value_of",
]
