"""The first tables: applications, their outbox, leases, idempotency keys, API keys."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import ARRAY, BYTEA, JSONB

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

_INSTANT = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Everything that gateway/database/tables.py held when this was written."""
    _applications()
    _outbox()
    _leases()
    _keys()
    _storage()


def downgrade() -> None:
    """An empty schema; the data goes with it."""
    for table in ("api_keys", "idempotency_keys", "gateway_leases", "unpublishable", "outbox", "applications"):
        op.drop_table(table)


def _applications() -> None:
    op.create_table(
        "applications",
        sa.Column(
            "id",
            sa.Uuid,
            nullable=False,
            comment="UUIDv7: order by id is order by time, newest first by a backward scan",
        ),
        sa.Column("user_name", sa.Text, nullable=False),
        sa.Column("description", sa.Text, nullable=False),
        sa.Column("created_at", _INSTANT, nullable=False, comment="the timestamp inside the id, milliseconds"),
        sa.PrimaryKeyConstraint("id", name="pk_applications"),
        sa.CheckConstraint("char_length(user_name) BETWEEN 1 AND 255", name=op.f("ck_applications_user_name_length")),
        sa.CheckConstraint(
            "char_length(description) BETWEEN 1 AND 10000", name=op.f("ck_applications_description_length")
        ),
    )
    op.create_index("ix_applications_user_name_id", "applications", ["user_name", sa.text("id DESC")])


def _outbox() -> None:
    op.create_table(
        "outbox",
        sa.Column("id", sa.Uuid, nullable=False, comment="the batch: UUIDv7, in order of commit within one lease"),
        sa.Column("lease", sa.Uuid, nullable=False, comment="the lease under which it was committed"),
        sa.Column(
            "ids", ARRAY(sa.Uuid), nullable=False, comment="the batch's applications in order; empty = tombstone"
        ),
        sa.Column(
            "positions",
            JSONB,
            nullable=False,
            comment="topic id and next offset per partition acknowledged at commit",
        ),
        sa.Column(
            "traces",
            ARRAY(sa.Text),
            comment="traceparent of each application; null where every one is derived from its id",
        ),
        sa.Column("created_at", _INSTANT, nullable=False, server_default=sa.func.now()),
        sa.PrimaryKeyConstraint("id", name="pk_outbox"),
        comment="One row for each batch whose publishing is not yet confirmed; empty when all is published",
    )
    op.create_index("ix_outbox_lease_id", "outbox", ["lease", "id"])
    op.create_table(
        "unpublishable",
        sa.Column("id", sa.Uuid, nullable=False, comment="the application that the broker refuses for its content"),
        sa.Column("batch", sa.Uuid, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("created_at", _INSTANT, nullable=False, server_default=sa.func.now()),
        sa.PrimaryKeyConstraint("id", name="pk_unpublishable"),
    )


def _leases() -> None:
    op.create_table(
        "gateway_leases",
        sa.Column("id", sa.Uuid, nullable=False),
        sa.Column("instance", sa.Text, nullable=False, comment="host:port#process, for people"),
        sa.Column(
            "former",
            sa.Uuid,
            comment="the lease that this process held before; drained before anything of this one is sent",
        ),
        sa.Column(
            "claimed_by", sa.Uuid, comment="the lease of the gateway that drains this one; null while it is held"
        ),
        sa.Column(
            "heartbeat",
            sa.BigInteger,
            nullable=False,
            server_default="0",
            comment="a counter: judged by change, not by clock",
        ),
        sa.Column("seconds", sa.Double, nullable=False, comment="silent for this long, its holder is taken for dead"),
        sa.Column("started_at", _INSTANT, nullable=False, server_default=sa.func.now()),
        sa.Column(
            "renewed_at",
            _INSTANT,
            nullable=False,
            server_default=sa.func.now(),
            comment="for people; no decision reads it",
        ),
        sa.Column(
            "figures",
            JSONB,
            nullable=False,
            server_default="{}",
            comment="rate, latency, queue, version: for the web view",
        ),
        sa.PrimaryKeyConstraint("id", name="pk_gateway_leases"),
        comment="One row for each living gateway process, and for each dead one whose outbox is being drained",
    )


def _keys() -> None:
    op.create_table(
        "idempotency_keys",
        sa.Column("client", sa.Text, nullable=False, comment="scope of the key: API key id or address; '' for content"),
        sa.Column("key", sa.Text, nullable=False),
        sa.Column("application_id", sa.Uuid, nullable=False),
        sa.Column("expires_at", _INSTANT, nullable=False),
        sa.PrimaryKeyConstraint("client", "key", name="pk_idempotency_keys"),
    )
    op.create_index("ix_idempotency_keys_expires_at", "idempotency_keys", ["expires_at"])
    op.create_index("ix_idempotency_keys_application_id", "idempotency_keys", ["application_id"])
    op.create_table(
        "api_keys",
        sa.Column("id", sa.Uuid, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("digest", BYTEA, nullable=False, comment="SHA-256 of the key; the key itself is shown once"),
        sa.Column("scopes", ARRAY(sa.Text), nullable=False),
        sa.Column("created_at", _INSTANT, nullable=False, server_default=sa.func.now()),
        sa.Column("expires_at", _INSTANT),
        sa.Column("last_used_at", _INSTANT),
        sa.Column("revoked_at", _INSTANT),
        sa.PrimaryKeyConstraint("id", name="pk_api_keys"),
        sa.UniqueConstraint("digest", name="uq_api_keys_digest"),
    )


def _storage() -> None:
    """Both tables stay small and change all the time: vacuum by count, at once, and leave room for HOT updates."""
    op.execute(
        "ALTER TABLE outbox SET (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 2000,"
        " autovacuum_vacuum_insert_scale_factor = 0, autovacuum_vacuum_insert_threshold = 20000,"
        " autovacuum_analyze_scale_factor = 0, autovacuum_analyze_threshold = 20000, autovacuum_vacuum_cost_delay = 0)"
    )
    op.execute(
        "ALTER TABLE gateway_leases SET (fillfactor = 20, autovacuum_vacuum_scale_factor = 0,"
        " autovacuum_vacuum_threshold = 100, autovacuum_vacuum_cost_delay = 0)"
    )
