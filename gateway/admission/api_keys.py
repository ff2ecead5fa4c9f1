"""API keys as the gate knows them: looked up by their hash, remembered for a few seconds; for some minutes while the
database is away.
"""

import asyncio
import hashlib
import hmac
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Literal, get_args
from uuid import UUID

from sqlalchemy import or_, select, update
from sqlalchemy.ext.asyncio import AsyncEngine

from gateway.database.connection import DATABASE_ERRORS
from gateway.database.tables import api_keys
from gateway.problems.errors import DatabaseAwayError

Scope = Literal["applications:write", "applications:read", "operations"]
SCOPES: tuple[Scope, ...] = get_args(Scope)

# Behind a scope: for what the key itself has written. A gateway of before knows no such scope, and refuses the key
# rather than show it everything.
OWN = ":own"

# A revoked key works for at most this long; a key in use is read from the database once in this time.
REMEMBER_SECONDS = 10.0
# A key that was valid stays so for this long while the database is away, but not past its own end.
GRACE_SECONDS = 300.0
# How long a silent database is waited for; the look-up itself goes on, and who comes next joins it.
_LOOK_UP_SECONDS = 3.0
_REMEMBER_MAX = 10_000
_LAST_USED_STEP = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class ApiKey:
    """A valid key: its id is the name of the visitor, ``limit`` its calls per minute (0 = what anybody has).

    ``owner``: whose applications it writes and reads, those of keys rotated from one another; None: it reads all.
    """

    id: UUID
    scopes: frozenset[str]
    expires_at: datetime | None = None
    limit: int = 0
    owner: UUID | None = None


@dataclass(frozen=True, slots=True)
class _Seen:
    """What the database said, until when it is not asked again, and until when its word holds while it is away."""

    key: ApiKey | None
    fresh_until: float
    holds_until: float


_NEVER_SEEN = _Seen(None, 0.0, 0.0)


class ApiKeys:
    """The keys seen lately, valid or not. Unknown ones are remembered too, so that they cost no query each time."""

    def __init__(self, engine: AsyncEngine, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._engine = engine
        self._monotonic = monotonic
        self._seen: dict[bytes, _Seen] = {}
        self._look_ups: dict[bytes, asyncio.Task[ApiKey | None]] = {}

    def remembered(self, key: str) -> tuple[bool, ApiKey | None]:
        """Whether the key was looked up lately, and what was found."""
        seen = self._seen.get(digest_of(key), _NEVER_SEEN)
        return self._monotonic() < seen.fresh_until, seen.key

    async def find(self, key: str) -> ApiKey | None:
        """The valid key, or None for an unknown, revoked or expired one.

        DatabaseAwayError where the database does not answer and the key was not valid a moment ago.
        """
        fresh, found = self.remembered(key)
        if fresh:
            return found
        digest = digest_of(key)
        try:
            async with asyncio.timeout(_LOOK_UP_SECONDS):
                found = await asyncio.shield(self._look_up(digest))
        except DATABASE_ERRORS as error:
            return self._last_word(digest, error)
        now = self._monotonic()
        self._remember(digest, _Seen(found, now + REMEMBER_SECONDS, now + _grace(found)))
        return found

    def _look_up(self, digest: bytes) -> "asyncio.Task[ApiKey | None]":
        """One for all requests that wait for the same key."""
        task = self._look_ups.get(digest)
        if task is None:
            task = self._look_ups[digest] = asyncio.create_task(_read(self._engine, digest), name="API key")
            task.add_done_callback(lambda done: self._looked_up(digest, done))
        return task

    def _looked_up(self, digest: bytes, task: "asyncio.Task[ApiKey | None]") -> None:
        del self._look_ups[digest]
        if not task.cancelled():
            task.exception()  # it may be that nobody waits for it any more

    def _last_word(self, digest: bytes, error: Exception) -> ApiKey:
        """What was known before the database went away; not asked again at once, so that not every request waits."""
        seen, now = self._seen.get(digest, _NEVER_SEEN), self._monotonic()
        if seen.key is None or now >= seen.holds_until:
            raise DatabaseAwayError(f"a key could not be looked up: {error!r}", retry_after=2) from error
        self._seen[digest] = replace(seen, fresh_until=min(now + REMEMBER_SECONDS, seen.holds_until))
        return seen.key

    def _remember(self, digest: bytes, seen: _Seen) -> None:
        if len(self._seen) >= _REMEMBER_MAX:
            valid = {known: one for known, one in self._seen.items() if one.key is not None}
            self._seen = valid if len(valid) < _REMEMBER_MAX else {}
        self._seen[digest] = seen

    async def close(self) -> None:
        """No look-up outlives the gateway."""
        look_ups = list(self._look_ups.values())
        for task in look_ups:
            task.cancel()
        await asyncio.gather(*look_ups, return_exceptions=True)


async def _read(engine: AsyncEngine, digest: bytes) -> ApiKey | None:
    table = api_keys.c
    now = datetime.now(UTC)
    seen = (table.digest, table.last_used_at)
    columns = (table.id, table.scopes, table.expires_at, table.rate_limit, table.owner, *seen)
    valid = select(*columns).where(
        table.digest == digest, table.revoked_at.is_(None), or_(table.expires_at.is_(None), table.expires_at > now)
    )
    async with engine.begin() as connection:
        row = (await connection.execute(valid)).one_or_none()
        if row is None or not hmac.compare_digest(row.digest, digest):
            return None
        if row.last_used_at is None or row.last_used_at < now - _LAST_USED_STEP:
            await connection.execute(update(api_keys).where(table.id == row.id).values(last_used_at=now))
    return _valid(row)


def _valid(row: Any) -> ApiKey:
    """One that was rotated by a command of before has the scopes of its former one, and no owner: it is its own."""
    scopes = frozenset(scope.removesuffix(OWN) for scope in row.scopes)
    owner = (row.owner or row.id) if any(scope.endswith(OWN) for scope in row.scopes) else None
    return ApiKey(row.id, scopes, row.expires_at, row.rate_limit or 0, owner)


def _grace(key: ApiKey | None) -> float:
    if key is None or key.expires_at is None:
        return GRACE_SECONDS
    return min(GRACE_SECONDS, (key.expires_at - datetime.now(UTC)).total_seconds())


def digest_of(key: str) -> bytes:
    """What is stored of a key. It is 256 random bits, so a fast hash is enough: there is nothing to guess."""
    return hashlib.sha256(key.encode("utf-8", "surrogateescape")).digest()
