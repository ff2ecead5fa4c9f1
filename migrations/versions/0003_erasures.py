"""What was removed on purpose, without anything of what it said: so that nobody takes it for lost."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Both begin empty: nothing was removed before."""
    op.create_table(
        "erasures",
        sa.Column("id", sa.Uuid, nullable=False, comment="the application"),
        sa.Column("erased_at", sa.DateTime(timezone=True), nullable=False, server_default=sa.func.now()),
        sa.PrimaryKeyConstraint("id", name="pk_erasures"),
        comment="Applications that `headgate forget` erased: their ids, and nothing else of them",
    )
    op.create_table(
        "expirations",
        sa.Column("before", sa.Uuid, nullable=False, comment="lower ids were removed, if nothing was left to publish"),
        sa.Column("expired_at", sa.DateTime(timezone=True), nullable=False, server_default=sa.func.now()),
        sa.PrimaryKeyConstraint("before", name="pk_expirations"),
        comment="How far `headgate retention` has come: written before anything is removed",
    )


def downgrade() -> None:
    """What was removed stays removed; that it was on purpose is no longer known."""
    op.drop_table("expirations")
    op.drop_table("erasures")
