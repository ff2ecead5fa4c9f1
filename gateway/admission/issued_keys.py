"""API keys as an operator has them: made, listed, rotated, revoked. The key itself is shown once and stored nowhere."""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import uuid_utils.compat as uuids
from sqlalchemy import func, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from gateway.admission.api_keys import OWN, Scope, digest_of
from gateway.database.tables import api_keys

_PREFIX = "hg_"
_OF_APPLICATIONS = "applications:"


@dataclass(frozen=True, slots=True)
class ListedKey:
    """What a list of keys shows; the key itself is not known to anyone any more.

    ``limit``: calls per minute, None for the general limit; ``own``: it reads only what it wrote itself.
    """

    id: UUID
    name: str
    scopes: Sequence[str]
    own: bool
    limit: int | None
    created_at: datetime
    expires_at: datetime | None
    last_used_at: datetime | None
    revoked_at: datetime | None


async def create_key(
    engine: AsyncEngine,
    name: str,
    scopes: Sequence[Scope],
    *,
    expires_at: datetime | None = None,
    limit: int = 0,
    own: bool = False,
) -> tuple[UUID, str]:
    """Make a key; the text is given out here and never again.

    ``limit``: calls per minute of its own, 0 for the general limit; ``own``: it reads only what it writes itself.
    """
    id_ = uuids.uuid7()
    row = {
        "name": name,
        "scopes": [scope + OWN if own and scope.startswith(_OF_APPLICATIONS) else scope for scope in scopes],
        "expires_at": expires_at,
        "rate_limit": limit or None,
        "owner": id_ if own else None,
    }
    async with engine.begin() as connection:
        return await _insert(connection, id_, row)


async def _insert(connection: AsyncConnection, id_: UUID, row: dict[str, Any]) -> tuple[UUID, str]:
    key = _PREFIX + secrets.token_urlsafe(32)
    await connection.execute(api_keys.insert(), {"id": id_, "digest": digest_of(key), **row})
    return id_, key


async def list_keys(engine: AsyncEngine) -> list[ListedKey]:
    """All keys, newest first, revoked ones included."""
    table = api_keys.c
    times = (table.created_at, table.expires_at, table.last_used_at, table.revoked_at)
    query = select(table.id, table.name, table.scopes, table.rate_limit, *times).order_by(table.id.desc())
    async with engine.connect() as connection:
        return [_listed(*row) for row in await connection.execute(query)]


def _listed(id_: UUID, name: str, scopes: Sequence[str], limit: int | None, *times: Any) -> ListedKey:
    own = any(scope.endswith(OWN) for scope in scopes)
    return ListedKey(id_, name, [scope.removesuffix(OWN) for scope in scopes], own, limit, *times)


async def rotate_key(
    engine: AsyncEngine,
    id: UUID,  # noqa: A002 -- the column's name
    *,
    ends_at: datetime,
) -> tuple[UUID, str] | None:
    """Make a key like this one, which is itself valid until ``ends_at``, or its own end if sooner; both at once.

    The new one reads what the former one wrote.

    None where there is no such key, or it is valid no more.
    """
    table, now = api_keys.c, datetime.now(UTC)
    shortened = (
        update(api_keys)
        .where(table.id == id, table.revoked_at.is_(None), or_(table.expires_at.is_(None), table.expires_at > now))
        .values(expires_at=func.least(ends_at, table.expires_at))
    )
    kept = (table.name, table.scopes, table.expires_at, table.rate_limit, table.owner)
    former = select(*kept).where(table.id == id).with_for_update()
    async with engine.execution_options(isolation_level="READ COMMITTED").begin() as connection:
        row = (await connection.execute(former)).mappings().one_or_none()
        if row is None or not (await connection.execute(shortened)).rowcount:
            return None
        return await _insert(connection, uuids.uuid7(), dict(row))


async def revoke_key(engine: AsyncEngine, id: UUID) -> bool:  # noqa: A002 -- the column's name
    """Revoke for good; False if there is no such key or it is revoked already."""
    query = update(api_keys).where(api_keys.c.id == id, api_keys.c.revoked_at.is_(None))
    async with engine.begin() as connection:
        return (await connection.execute(query.values(revoked_at=datetime.now(UTC)))).rowcount == 1
