"""The grants of a role that runs Headgate and does not own its tables: `headgate migrate --grants ROLE`."""

from collections.abc import Sequence

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from gateway.database.rights import GRANTS

_QUOTED = text("SELECT quote_ident(CAST(:role AS text)) AS role, quote_ident(current_schema()) AS schema")


async def grants(connection: AsyncConnection, role: str) -> Sequence[str]:
    """The statements, for the schema of this connection."""
    name = (await connection.execute(_QUOTED, {"role": role})).one()
    return [
        f"GRANT USAGE ON SCHEMA {name.schema} TO {name.role}",
        *(f"GRANT {rights} ON {name.schema}.{table} TO {name.role}" for table, rights in GRANTS.items()),
    ]
