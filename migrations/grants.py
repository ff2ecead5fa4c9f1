"""What a role needs that runs Headgate and does not own its tables: `headgate migrate --grants ROLE`.

It cannot erase applications, make API keys, or make and drop months: that is left to the role that migrates. Rows go to
partitions by way of their table, so no grant is needed for a month that is made later.
"""

from collections.abc import Sequence

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

_ALL = "SELECT, INSERT, UPDATE, DELETE"
GRANTS = {
    "alembic_version": "SELECT",
    "api_keys": "SELECT, UPDATE (last_used_at)",
    "applications": "SELECT, INSERT",
    "applications_default": "SELECT",
    "erasures": "SELECT",
    "expirations": "SELECT",
    "gateway_leases": _ALL,
    "idempotency_keys": _ALL,
    "outbox": _ALL,
    "ownerships": "SELECT, INSERT",
    "unpublishable": "SELECT, INSERT",
}

_QUOTED = text("SELECT quote_ident(CAST(:role AS text)) AS role, quote_ident(current_schema()) AS schema")


async def grants(connection: AsyncConnection, role: str) -> Sequence[str]:
    """The statements, for the schema of this connection."""
    name = (await connection.execute(_QUOTED, {"role": role})).one()
    return [
        f"GRANT USAGE ON SCHEMA {name.schema} TO {name.role}",
        *(f"GRANT {rights} ON {name.schema}.{table} TO {name.role}" for table, rights in GRANTS.items()),
    ]
