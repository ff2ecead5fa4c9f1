"""What the gateway and the stream workers agree on; knows pydantic and the standard library only."""

from contracts.application import (
    DESCRIPTION_MAX,
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
    REDRIVEN_HEADER,
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
from contracts.names import USER_NAME_MAX, normalised, spellings
from contracts.topics import Topics

__all__ = [
    "DESCRIPTION_MAX",
    "EVENT_SOURCE",
    "EVENT_TYPE",
    "REDRIVEN_HEADER",
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
    "normalised",
    "spellings",
    "time_of",
    "to_headers",
    "to_key",
    "value_of",
]
