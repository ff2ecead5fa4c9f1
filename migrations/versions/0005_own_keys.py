"""API keys with a limit of their own, and keys that read only what they wrote: which applications are whose.

A table of its own: whoever has no such key pays nothing, and writers and readers of before go on beside this.
"""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

# Who runs gateways was given its rights by hand, table by table: a table that it may not write would stop its commits.
_GRANTS = """
DO $$
DECLARE one record;
BEGIN
    FOR one IN
        SELECT DISTINCT acl.grantee
        FROM pg_class c, aclexplode(c.relacl) acl
        WHERE c.oid = 'applications'::regclass AND acl.privilege_type = 'INSERT' AND acl.grantee <> c.relowner
    LOOP
        EXECUTE format('GRANT SELECT, INSERT ON ownerships TO %s',
            CASE WHEN one.grantee = 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(one.grantee)) END);
    END LOOP;
END $$
"""


def upgrade() -> None:
    """Nothing is rewritten, and `applications` is not touched."""
    per_minute = "calls per minute; null = RATE_LIMIT_PER_MINUTE"
    op.add_column("api_keys", sa.Column("rate_limit", sa.Integer, comment=per_minute))
    whose = "whose applications it reads: the first key that it was rotated from; null = all"
    op.add_column("api_keys", sa.Column("owner", sa.Uuid, comment=whose))
    op.create_table(
        "ownerships",
        sa.Column("id", sa.Uuid, nullable=False, comment="the application"),
        sa.Column("owner", sa.Uuid, nullable=False, comment="the key that wrote it, as `api_keys.owner` has it"),
        sa.PrimaryKeyConstraint("owner", "id", name="pk_ownerships"),
        comment="Applications written with keys that read only what they wrote; all others are not here",
    )
    op.create_index("ix_ownerships_id", "ownerships", ["id"], postgresql_using="hash")
    op.execute(_GRANTS)


def downgrade() -> None:
    """Whose an application is is no longer known; keys that read only their own pass nowhere, as before."""
    op.drop_table("ownerships")
    op.drop_column("api_keys", "owner")
    op.drop_column("api_keys", "rate_limit")
