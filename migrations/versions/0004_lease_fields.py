"""How many columns of `applications` the holder of a lease knows: who knows fewer must not publish what it left."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

_TABLE = "In partitions by month (UTC) of the time inside the id"


def upgrade() -> None:
    """Gateways of before know the first four and say nothing; a comment in a database names no file."""
    comment = "columns of `applications` that its holder knows; who knows fewer does not drain it"
    op.add_column(
        "gateway_leases", sa.Column("fields", sa.Integer, nullable=False, server_default="4", comment=comment)
    )
    op.create_table_comment("applications", f"{_TABLE}, made ahead of need")


def downgrade() -> None:
    """Nobody asks any more."""
    op.create_table_comment("applications", f"{_TABLE}; gateway/partitions.py makes them ahead of need")
    op.drop_column("gateway_leases", "fields")
