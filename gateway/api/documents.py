"""The shapes of answers, for OpenAPI and the generated clients."""

from typing import Any, Literal
from uuid import UUID

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from contracts import Application


class BrokenRule(BaseModel):
    """One broken rule; exactly one of ``pointer``, ``parameter`` and ``header`` is there."""

    model_config = ConfigDict(extra="forbid")

    pointer: str | None = Field(None, description="JSON pointer into the body, as a URI fragment (RFC 6901)")
    parameter: str | None = Field(None, description="name of a query or path parameter")
    header: str | None = Field(None, description="name of a header field")
    code: str = Field(description="stable code of the rule")
    detail: str = Field(description="the rule in words, in the language of the request")


ERROR_COUNT: Any = Field(None, ge=1, description="how many there are, where `errors` has only the first of them")


class Problem(BaseModel):
    """A problem document (RFC 9457). ``type`` is stable and leads to a page about it."""

    type: str = Field(
        pattern="^(https?://[^/]+)?(/.+)?/problems/[a-z-]+$", description="absolute where PUBLIC_URL is set"
    )
    title: str
    status: int = Field(ge=400, le=599)
    detail: str
    request_id: str
    errors: list[BrokenRule] | None = None
    error_count: int | None = ERROR_COUNT


class PartOfApplication(BaseModel):
    """The fields of an application that were asked for with ``fields``."""

    model_config = ConfigDict(extra="forbid")

    id: UUID | None = None
    user_name: str | None = None
    description: str | None = None
    created_at: AwareDatetime | None = None


class ApplicationPage(BaseModel):
    """One page of applications. Without ``page`` in the request, ``cursor`` or page 1 was asked for."""

    items: list[Application | PartOfApplication]
    total: int | None = Field(
        ge=0,
        description="how many match, as counted within the last second; a lower bound if `total_relation` says so; "
        "null if it was not asked for",
    )
    total_relation: Literal["exact", "at_least", "none"]
    page: int | None = Field(ge=1, description="null when a cursor was used")
    size: int = Field(ge=1, le=100)
    pages: int | None = Field(ge=0, description="null when a cursor was used or without a total; as exact as `total`")
    next_cursor: str | None = Field(description="continues after this page; null at the end")
    prev_cursor: str | None = Field(description="continues before this page; null at the beginning")


class Stored(BaseModel):
    """Since when it is in PostgreSQL."""

    at: str = Field(description="the time in its id")


class Published(BaseModel):
    """Kafka has acknowledged it."""

    seen_at: str = Field(description="when this gateway first saw that; it may have been so before")
    partition: int | None = Field(description="null where Kafka did not say it in time")
    offset: int | None = Field(description="null where Kafka did not say it in time")


class Counted(BaseModel):
    """The metrics worker has counted it."""

    seen_at: str = Field(description="when this gateway first saw that; it may have been so before")


class Status(BaseModel):
    """Where an application is by now."""

    id: UUID
    state: Literal["stored", "published", "counted", "refused"] = Field(
        description="how far it has come; `refused`: Kafka does not take it for its content"
    )
    stored: Stored
    published: Published | None
    counted: Counted | None
    refused: str | None = Field(description="why Kafka does not take it")


class ItemProblem(BaseModel):
    """What is wrong with one item of a batch: a problem document without ``request_id``."""

    type: str
    title: str
    status: int
    detail: str
    errors: list[BrokenRule] | None = None
    error_count: int | None = ERROR_COUNT


class BatchResult(BaseModel):
    """What became of one item."""

    status: Literal["created", "duplicate", "invalid", "retry"]
    id: UUID | None = Field(None, description="of the application; only with created and duplicate")
    location: str | None = Field(None, description="where the application is; only with created and duplicate")
    problem: ItemProblem | None = Field(None, description="only with invalid and retry")
    retry_after: int | None = Field(None, description="seconds; only with retry")


class BatchCounts(BaseModel):
    """How many items ended how."""

    created: int
    duplicate: int
    invalid: int
    retry: int


class BatchAnswer(BaseModel):
    """One result for each item, in the order of the items."""

    results: list[BatchResult]
    counts: BatchCounts
