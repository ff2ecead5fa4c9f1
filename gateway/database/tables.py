"""The tables, defined once: migrations/ mirrors them, and a test compares the two."""

from sqlalchemy import (
    DDL,
    BigInteger,
    CheckConstraint,
    Column,
    DateTime,
    Double,
    Index,
    Integer,
    MetaData,
    PrimaryKeyConstraint,
    Table,
    Text,
    Uuid,
    event,
    func,
)
from sqlalchemy.dialects.postgresql import ARRAY, BYTEA, JSONB

from contracts import DESCRIPTION_MAX, USER_NAME_MAX

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "pk": "pk_%(table_name)s",
    }
)

# The newest migration that this code needs; a newer schema is fine, migrations keep the code before them working.
SCHEMA = "0005"

_Instant = DateTime(timezone=True)

applications = Table(
    "applications",
    metadata,
    Column(
        "id", Uuid, primary_key=True, comment="UUIDv7: order by id is order by time, newest first by a backward scan"
    ),
    Column("user_name", Text, nullable=False),
    Column("description", Text, nullable=False),
    Column("created_at", _Instant, nullable=False, comment="the timestamp inside the id, milliseconds"),
    CheckConstraint(f"char_length(user_name) BETWEEN 1 AND {USER_NAME_MAX}", name="user_name_length"),
    CheckConstraint(f"char_length(description) BETWEEN 1 AND {DESCRIPTION_MAX}", name="description_length"),
    comment="In partitions by month (UTC) of the time inside the id, made ahead of need",
    postgresql_partition_by="RANGE (id)",
)
# Takes ids of any time: what no month was made for is stored all the same.
DEFAULT_PARTITION = "applications_default"
for _statement in (
    f"CREATE TABLE {DEFAULT_PARTITION} PARTITION OF applications DEFAULT",
    f"ALTER INDEX {DEFAULT_PARTITION}_pkey RENAME TO pk_{DEFAULT_PARTITION}",
    f"ALTER INDEX {DEFAULT_PARTITION}_user_name_id_idx RENAME TO ix_{DEFAULT_PARTITION}_user_name_id",
):
    event.listen(applications, "after_create", DDL(_statement))  # type: ignore[no-untyped-call]  # has no types
Index("ix_applications_user_name_id", applications.c.user_name, applications.c.id.desc())

outbox = Table(
    "outbox",
    metadata,
    Column("id", Uuid, primary_key=True, comment="the batch: UUIDv7, in order of commit within one lease"),
    Column("lease", Uuid, nullable=False, comment="the lease under which it was committed"),
    Column("ids", ARRAY(Uuid), nullable=False, comment="the batch's applications in order; empty = tombstone"),
    Column("positions", JSONB, nullable=False, comment="topic id and next offset per partition acknowledged at commit"),
    Column(
        "traces", ARRAY(Text), comment="traceparent of each application; null where every one is derived from its id"
    ),
    Column("created_at", _Instant, nullable=False, server_default=func.now()),
    comment="One row for each batch whose publishing is not yet confirmed; empty when all is published",
)
Index("ix_outbox_lease_id", outbox.c.lease, outbox.c.id)

unpublishable = Table(
    "unpublishable",
    metadata,
    Column("id", Uuid, primary_key=True, comment="the application that the broker refuses for its content"),
    Column("batch", Uuid, nullable=False),
    Column("reason", Text, nullable=False),
    Column("created_at", _Instant, nullable=False, server_default=func.now()),
)

gateway_leases = Table(
    "gateway_leases",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("instance", Text, nullable=False, comment="host:port#process, for people"),
    Column(
        "former", Uuid, comment="the lease that this process held before; drained before anything of this one is sent"
    ),
    Column("claimed_by", Uuid, comment="the lease of the gateway that drains this one; null while it is held"),
    Column(
        "heartbeat", BigInteger, nullable=False, server_default="0", comment="a counter: judged by change, not by clock"
    ),
    Column("seconds", Double, nullable=False, comment="silent for this long, its holder is taken for dead"),
    Column("started_at", _Instant, nullable=False, server_default=func.now()),
    Column(
        "renewed_at", _Instant, nullable=False, server_default=func.now(), comment="for people; no decision reads it"
    ),
    Column(
        "figures", JSONB, nullable=False, server_default="{}", comment="rate, latency, queue, version: for the web view"
    ),
    Column(
        "fields",
        Integer,
        nullable=False,
        server_default="4",
        comment="columns of `applications` that its holder knows; who knows fewer does not drain it",
    ),
    comment="One row for each living gateway process, and for each dead one whose outbox is being drained",
)

idempotency_keys = Table(
    "idempotency_keys",
    metadata,
    Column("client", Text, primary_key=True, comment="scope of the key: API key id or address; '' for content"),
    Column("key", Text, primary_key=True),
    Column("application_id", Uuid, nullable=False),
    Column("expires_at", _Instant, nullable=False),
)
Index("ix_idempotency_keys_expires_at", idempotency_keys.c.expires_at)
Index("ix_idempotency_keys_application_id", idempotency_keys.c.application_id)

api_keys = Table(
    "api_keys",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("name", Text, nullable=False),
    Column("digest", BYTEA, nullable=False, unique=True, comment="SHA-256 of the key; the key itself is shown once"),
    Column("scopes", ARRAY(Text), nullable=False),
    Column("created_at", _Instant, nullable=False, server_default=func.now()),
    Column("expires_at", _Instant),
    Column("last_used_at", _Instant),
    Column("revoked_at", _Instant),
    Column("rate_limit", Integer, comment="calls per minute; null = RATE_LIMIT_PER_MINUTE"),
    Column("owner", Uuid, comment="whose applications it reads: the first key that it was rotated from; null = all"),
)

ownerships = Table(
    "ownerships",
    metadata,
    Column("id", Uuid, nullable=False, comment="the application"),
    Column("owner", Uuid, nullable=False, comment="the key that wrote it, as `api_keys.owner` has it"),
    PrimaryKeyConstraint("owner", "id"),
    comment="Applications written with keys that read only what they wrote; all others are not here",
)
# Not in the order of the ids: a page of one owner would be looked for along everybody's.
Index("ix_ownerships_id", ownerships.c.id, postgresql_using="hash")

erasures = Table(
    "erasures",
    metadata,
    Column("id", Uuid, primary_key=True, comment="the application"),
    Column("erased_at", _Instant, nullable=False, server_default=func.now()),
    comment="Applications that `headgate forget` erased: their ids, and nothing else of them",
)

expirations = Table(
    "expirations",
    metadata,
    Column("before", Uuid, primary_key=True, comment="lower ids were removed, if nothing was left to publish"),
    Column("expired_at", _Instant, nullable=False, server_default=func.now()),
    comment="How far `headgate retention` has come: written before anything is removed",
)
