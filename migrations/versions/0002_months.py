"""`applications` in partitions by month over its key.

What is there already becomes one partition as it is: nothing is copied, and the tables are locked for a moment only.
Months are no part of the schema; gateway/database/partitions.py makes them.
"""

from datetime import UTC, datetime, timedelta
from uuid import UUID

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

_COMMENT = (
    "In partitions by month (UTC) of the time inside the id; gateway/database/partitions.py makes them ahead of need"
)
_ID = "UUIDv7: order by id is order by time, newest first by a backward scan"
_CREATED_AT = "the timestamp inside the id, milliseconds"
_CHECK = "ck_applications_range"
_DEFAULT_PARTITION = "applications_default"


def upgrade() -> None:
    """The old table ends where the month begins that follows tomorrow's: its writers stay inside while this runs."""
    month, bound = _end_of_the_old()
    empty = not op.get_bind().scalar(sa.text("SELECT EXISTS (SELECT FROM applications)"))
    if not empty:
        _check_beforehand(bound)
    op.execute("SET LOCAL lock_timeout = '2s'")
    op.execute("LOCK TABLE applications IN ACCESS EXCLUSIVE MODE")
    if empty and not op.get_bind().scalar(sa.text("SELECT EXISTS (SELECT FROM applications)")):
        op.drop_table("applications")
        _create("RANGE (id)")
        _create_default()
        return
    old = f"applications_before_{month}"
    _rename("applications", old)
    _create("RANGE (id)")
    _create_default()
    moved = f"WITH later AS (DELETE FROM {old} WHERE id >= '{bound}' RETURNING *)"
    op.execute(f"{moved} INSERT INTO applications SELECT * FROM later")
    op.execute(f"ALTER TABLE applications ATTACH PARTITION {old} FOR VALUES FROM (MINVALUE) TO ('{bound}')")
    op.execute(f"ALTER TABLE {old} DROP CONSTRAINT IF EXISTS {_CHECK}")


def downgrade() -> None:
    """One table again; every row is copied."""
    op.execute("LOCK TABLE applications IN ACCESS EXCLUSIVE MODE")
    op.execute("ALTER TABLE applications RENAME TO applications_partitioned")
    op.execute("ALTER TABLE applications_partitioned RENAME CONSTRAINT pk_applications TO pk_applications_partitioned")
    op.execute("ALTER INDEX ix_applications_user_name_id RENAME TO ix_applications_partitioned_user_name_id")
    op.execute("ALTER INDEX IF EXISTS ix_applications_user_name_trgm RENAME TO ix_applications_partitioned_trgm")
    _create(None)
    op.execute("INSERT INTO applications SELECT * FROM applications_partitioned")
    op.drop_table("applications_partitioned")


def _end_of_the_old() -> tuple[str, UUID]:
    tomorrow = datetime.now(UTC) + timedelta(days=1)
    end = (tomorrow.replace(day=1) + timedelta(days=32)).replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    return f"{end:%Y_%m}", UUID(int=int(end.timestamp() * 1000) << 80)


def _check_beforehand(bound: UUID) -> None:
    """Read every row once without blocking anyone, so that attaching the table need not. Later ids forbid it."""
    if op.get_bind().scalar(sa.text(f"SELECT EXISTS (SELECT FROM applications WHERE id >= '{bound}')")):
        return
    with op.get_context().autocommit_block():
        op.execute(f"ALTER TABLE applications DROP CONSTRAINT IF EXISTS {_CHECK}")
        op.execute(f"ALTER TABLE applications ADD CONSTRAINT {_CHECK} CHECK (id < '{bound}') NOT VALID")
        op.execute(f"ALTER TABLE applications VALIDATE CONSTRAINT {_CHECK}")


def _rename(table: str, name: str) -> None:
    op.execute(f"ALTER TABLE {table} RENAME TO {name}")
    op.execute(f"ALTER TABLE {name} RENAME CONSTRAINT pk_{table} TO pk_{name}")
    op.execute(f"ALTER INDEX ix_{table}_user_name_id RENAME TO ix_{name}_user_name_id")
    op.execute(f"ALTER INDEX IF EXISTS ix_{table}_user_name_trgm RENAME TO ix_{name}_user_name_trgm")


def _create(partition_by: str | None) -> None:
    op.create_table(
        "applications",
        sa.Column("id", sa.Uuid, nullable=False, comment=_ID),
        sa.Column("user_name", sa.Text, nullable=False),
        sa.Column("description", sa.Text, nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False, comment=_CREATED_AT),
        sa.PrimaryKeyConstraint("id", name="pk_applications"),
        sa.CheckConstraint("char_length(user_name) BETWEEN 1 AND 255", name=op.f("ck_applications_user_name_length")),
        sa.CheckConstraint(
            "char_length(description) BETWEEN 1 AND 10000", name=op.f("ck_applications_description_length")
        ),
        comment=_COMMENT if partition_by else None,
        postgresql_partition_by=partition_by,
    )
    op.create_index("ix_applications_user_name_id", "applications", ["user_name", sa.text("id DESC")])


def _create_default() -> None:
    op.execute(f"CREATE TABLE {_DEFAULT_PARTITION} PARTITION OF applications DEFAULT")
    op.execute(f"ALTER INDEX {_DEFAULT_PARTITION}_pkey RENAME TO pk_{_DEFAULT_PARTITION}")
    op.execute(f"ALTER INDEX {_DEFAULT_PARTITION}_user_name_id_idx RENAME TO ix_{_DEFAULT_PARTITION}_user_name_id")
