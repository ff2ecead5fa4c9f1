"""API keys: made by command, kept as a hash, looked up by it, remembered for a few seconds.

A key is ``hg_`` and 256 random bits, so a fast hash is enough: there is nothing to guess.
"""

import hashlib
import hmac
import secrets
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Literal, get_args
from uuid import UUID

import uuid_utils.compat as uuids
from sqlalchemy import or_, select, update
from sqlalchemy.ext.asyncio import AsyncEngine

from gateway.database.tables import api_keys

Scope = Literal["applications:write", "applications:read", "operations"]
SCOPES: tuple[Scope, ...] = get_args(Scope)

_PREFIX = "hg_"
# A revoked key works for at most this long; a key in use is read from the database once in this time.
REMEMBER_SECONDS = 10.0
_REMEMBER_MAX = 10_000
_LAST_USED_STEP = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class ApiKey:
    """A valid key: its id is the name of the visitor."""

    id: UUID
    scopes: frozenset[str]


@dataclass(frozen=True, slots=True)
class ListedKey:
    """What a list of keys shows; the key itself is not known to anyone any more."""

    id: UUID
    name: str
    scopes: Sequence[str]
    created_at: datetime
    expires_at: datetime | None
    last_used_at: datetime | None
    revoked_at: datetime | None


class ApiKeys:
    """The keys seen lately, valid or not. Unknown ones are remembered too, so that they cost no query each time."""

    def __init__(self, engine: AsyncEngine, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._engine = engine
        self._monotonic = monotonic
        self._seen: dict[bytes, tuple[float, ApiKey | None]] = {}

    def remembered(self, key: str) -> tuple[bool, ApiKey | None]:
        """Whether the key was looked up lately, and what was found."""
        until, found = self._seen.get(_digest(key), (0.0, None))
        return self._monotonic() < until, found

    async def find(self, key: str) -> ApiKey | None:
        """The valid key, or None for an unknown, revoked or expired one."""
        fresh, found = self.remembered(key)
        if fresh:
            return found
        digest = _digest(key)
        found = await _read(self._engine, digest)
        if len(self._seen) >= _REMEMBER_MAX:
            self._seen.clear()
        self._seen[digest] = (self._monotonic() + REMEMBER_SECONDS, found)
        return found


async def create_key(
    engine: AsyncEngine, name: str, scopes: Sequence[Scope], *, expires_at: datetime | None = None
) -> tuple[UUID, str]:
    """Make a key; the text is given out here and never again."""
    key = _PREFIX + secrets.token_urlsafe(32)
    id_ = uuids.uuid7()
    row = {"id": id_, "name": name, "digest": _digest(key), "scopes": list(scopes), "expires_at": expires_at}
    async with engine.begin() as connection:
        await connection.execute(api_keys.insert(), row)
    return id_, key


async def list_keys(engine: AsyncEngine) -> list[ListedKey]:
    """All keys, newest first, revoked ones included."""
    table = api_keys.c
    query = select(
        table.id,
        table.name,
        table.scopes,
        table.created_at,
        table.expires_at,
        table.last_used_at,
        table.revoked_at,
    ).order_by(table.id.desc())
    async with engine.connect() as connection:
        return [ListedKey(*row) for row in await connection.execute(query)]


async def revoke_key(engine: AsyncEngine, id: UUID) -> bool:  # noqa: A002 -- the column's name
    """Revoke for good; False if there is no such key or it is revoked already."""
    query = update(api_keys).where(api_keys.c.id == id, api_keys.c.revoked_at.is_(None))
    async with engine.begin() as connection:
        return (await connection.execute(query.values(revoked_at=datetime.now(UTC)))).rowcount == 1


async def _read(engine: AsyncEngine, digest: bytes) -> ApiKey | None:
    table = api_keys.c
    now = datetime.now(UTC)
    valid = select(table.id, table.scopes, table.digest, table.last_used_at).where(
        table.digest == digest, table.revoked_at.is_(None), or_(table.expires_at.is_(None), table.expires_at > now)
    )
    async with engine.begin() as connection:
        row = (await connection.execute(valid)).one_or_none()
        if row is None or not hmac.compare_digest(row.digest, digest):
            return None
        if row.last_used_at is None or row.last_used_at < now - _LAST_USED_STEP:
            await connection.execute(update(api_keys).where(table.id == row.id).values(last_used_at=now))
    return ApiKey(row.id, frozenset(row.scopes))


def _digest(key: str) -> bytes:
    return hashlib.sha256(key.encode("utf-8", "surrogateescape")).digest()
