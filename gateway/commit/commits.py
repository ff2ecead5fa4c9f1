"""One commit, and what follows from what PostgreSQL answers to it (docs/sqlstates.md).

It is stored; or *settled* by a write where its outcome is not known; or committed in halves where a row of it is
refused; or it comes back, as one and in its order.
"""

import asyncio
import logging
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from sqlalchemy import Executable

from gateway.commit import key_holders
from gateway.commit.commit_queue import jittered_seconds
from gateway.commit.lease import LeaseKeeper
from gateway.commit.statements import (
    CHECK,
    CLOCK_BOUND_SECONDS,
    COLUMNS,
    COMMIT,
    COMMIT_WITH_KEYS,
    COMMIT_WITH_OWNERS,
    SETTLE,
)
from gateway.commit.submission import Batch, Submission, accepted_at
from gateway.database.connection import (
    DATABASE_ERRORS,
    NotConnectedError,
    Session,
    constraint,
    first_line,
    for_content,
    rolled_back,
    sqlstate,
)
from gateway.problems.errors import DatabaseAwayError, RefusedError

log = logging.getLogger(__name__)

_RETRY_SECONDS = 0.2

# {"each_id": [row.id for row in rows], …}: the columns of `applications` as the statements take them. Written out from
# the table's own names, because that takes a third of the time of any loop over them, for each application stored.
_LISTS = ", ".join(f'"each_{name}": [row.{name} for row in rows]' for name in COLUMNS)
_each: Callable[[Sequence[Submission]], dict[str, Any]] = eval(f"lambda rows: {{{_LISTS}}}")  # noqa: S307 -- see above

# ``gathering``: nothing is under way; ``settling``: the outcome is not known and is being settled by a write.
State = Literal["gathering", "committing", "settling"]

# What a commit came to: the submissions that were stored (all others lost their key), or None where nothing was
# committed; and those that come back.
Outcome = tuple[Sequence[Submission] | None, Sequence[Submission]]
_NONE: Sequence[Submission] = ()


class ClockError(Exception):
    """This machine's clock and the database's differ by more than a commit is allowed to."""


class Commits:
    """Commits one batch after the other; ``stored`` is told of each, in order, before anything else is committed.

    ``confirmed`` are the batches whose outbox rows go with the next commit.
    """

    def __init__(
        self,
        *,
        session: Session,
        keeper: LeaseKeeper,
        positions: Callable[[], dict[str, Any]],
        new_id: Callable[[], UUID],
        stored: Callable[[Batch, UUID, Sequence[Submission]], Awaitable[None]],
        failures: Counter[str],
    ) -> None:
        self._session, self._keeper, self._positions = session, keeper, positions
        self._new_id, self._stored, self._failures = new_id, stored, failures
        self.confirmed: list[UUID] = []
        self.state: State = "gathering"
        self.began = 0.0
        self.database_away = False

    async def commit(self, submissions: Sequence[Submission], lease: UUID) -> Sequence[Submission]:
        """Commit these, whatever it takes; returns what comes back: everything from the first that was not stored."""
        batch = _batch(self._new_id(), submissions)
        self.state, self.began = "committing", time.monotonic()
        accepted: Sequence[Submission] | None
        try:
            accepted, back = await self._write(batch, lease), _NONE
        except DATABASE_ERRORS as error:
            accepted, back = await self._failed(batch, lease, error)
        finally:
            self.state = "gathering"
        if accepted is not None:
            await self._stored(batch, lease, accepted)
        return back

    async def _write(self, batch: Batch, lease: UUID) -> Sequence[Submission]:
        """One statement; returns the submissions that were stored (all but the losers of an idempotency key)."""
        submissions, confirmed = batch.submissions, self.confirmed
        values = _columns(batch) | {"lease": lease, "positions": self._positions(), "confirmed": confirmed}
        with_more = [each for each in submissions if each.claim or each.owner]
        count = len(confirmed)
        if with_more:
            rows = await self._session.execute(*_with_more(with_more, values))
            stored = {row.id for row in rows}
            submissions = [submission for submission in submissions if submission.id in stored]
        else:
            await self._session.execute(COMMIT, values)
        del confirmed[:count]
        self.database_away = False
        return submissions

    async def _failed(self, batch: Batch, lease: UUID, error: Exception) -> Outcome:
        """What follows from an error, as docs/sqlstates.md has it: settle, repeat, bisect, or try again later."""
        self._failures[_failure(error)] += 1
        if isinstance(error, NotConnectedError):
            return self._again_later(batch, error)
        if not rolled_back(error):
            return await self._settle(batch, lease, error)
        if sqlstate(error) == "23502" and constraint(error) == "lease":
            return await self._unleased(batch, lease)
        if _is_conflict(error):
            return await self._repeat(batch, lease)
        if for_content(error):
            return await self._bisect(batch, lease, error)
        log.error("PostgreSQL refuses to store: %s", first_line(error), extra={"sqlstate": sqlstate(error)})
        return self._again_later(batch, error)

    def _again_later(self, batch: Batch, error: Exception) -> Outcome:
        """Nothing was stored: all of it comes back, until each one's own deadline."""
        if not self.database_away:
            log.warning("PostgreSQL does not take commits: %s", first_line(error))
        self.database_away = True
        return None, batch.submissions

    async def _unleased(self, batch: Batch, lease: UUID) -> Outcome:
        """The statement found no lease in force for it: it was claimed, or this machine's clock is off (rule 10)."""
        try:
            rows = await self._session.execute(CHECK, {"lease": lease})
        except DATABASE_ERRORS as error:
            return self._again_later(batch, error)
        if not rows:
            self._keeper.lost(lease, "another gateway has claimed it")
            return None, batch.submissions
        return self._again_later(batch, self._answer_off(batch, rows[0].now))

    def _answer_off(self, batch: Batch, now: datetime) -> ClockError:
        """Answer whoever has a time that no commit will ever take; the others come back."""
        off = [each for each in batch.submissions if abs((each.created_at - now).total_seconds()) > CLOCK_BOUND_SECONDS]
        error = ClockError(f"{len(off)} applications are dated far from the database's clock, {now:%H:%M:%S} UTC")
        for submission in off:
            submission.answer(DatabaseAwayError(str(error), jittered_seconds()))
        return error

    async def _repeat(self, batch: Batch, lease: UUID) -> Outcome:
        """A deadlock or serialisation failure: the same batch again, under the same id, as often as it takes."""
        while True:
            try:
                return await self._write(batch, lease), _NONE
            except DATABASE_ERRORS as error:
                if not _is_conflict(error):
                    return await self._failed(batch, lease, error)
                self._failures[_failure(error)] += 1

    async def _bisect(self, batch: Batch, lease: UUID, error: Exception) -> Outcome:
        """A row that PostgreSQL refuses fails alone, or with its group: halves are committed by themselves, in order,
        the second only where all of the first was stored or refused.
        """
        submissions = batch.submissions
        middle = _middle(submissions)
        if not middle:
            log.warning("PostgreSQL refused an application: %s", first_line(error))
            for submission in submissions:
                submission.answer(RefusedError("The database refuses this application for what it contains."))
            return None, _NONE
        back = await self.commit(submissions[:middle], lease)
        if back or self._keeper.lease != lease:
            return None, [*back, *submissions[middle:]]
        return None, await self.commit(submissions[middle:], lease)

    async def _settle(self, batch: Batch, lease: UUID, error: Exception) -> Outcome:
        """The outcome is unknown: settle it by a write, and commit nothing else before the answer (rule 4)."""
        self.state, self.database_away = "settling", True
        log.warning("The outcome of a commit is unknown and is being settled: %s", first_line(error))
        while True:
            try:
                rows = await self._session.execute(SETTLE, _columns(batch) | {"lease": lease})
                break
            except DATABASE_ERRORS as again:
                if sqlstate(again) == "23502":
                    self._keeper.lost(lease, "its row is claimed or gone")
                    for submission in batch.submissions:
                        submission.answer(DatabaseAwayError("The outcome of the commit is not known."))
                    return None, _NONE
                await asyncio.sleep(_RETRY_SECONDS)
        self.database_away = False
        stored = set(rows[0].ids)
        if not stored:
            return self._again_later(batch, error)
        return [submission for submission in batch.submissions if submission.id in stored], _NONE


def _middle(submissions: Sequence[Submission]) -> int:
    """Where to halve them without parting a group; 0 where there is but one, or one group."""
    middle = len(submissions) // 2
    group = submissions[middle].group
    if group is None:
        return middle
    begins = next(place for place, each in enumerate(submissions) if each.group is group)
    ends = begins + sum(each.group is group for each in submissions)
    return begins or (ends if ends < len(submissions) else 0)


def _batch(id_: UUID, submissions: Sequence[Submission]) -> Batch:
    return Batch(id_, submissions, sum(len(each.value) for each in submissions))


def _with_more(submissions: Sequence[Submission], values: dict[str, Any]) -> tuple[Executable, dict[str, Any]]:
    """The statement for these, which have idempotency keys or owners, and all of its values."""
    claims = sorted((each for each in submissions if each.claim), key=key_holders.order)
    owned = [each for each in submissions if each.owner]
    values |= key_holders.columns(claims)
    if not owned:
        return COMMIT_WITH_KEYS, values
    return COMMIT_WITH_OWNERS, values | {"owned": [each.id for each in owned], "owners": [each.owner for each in owned]}


def _columns(batch: Batch) -> dict[str, Any]:
    submissions = batch.submissions
    traces = [submission.traceparent for submission in submissions]
    return {
        "batch": batch.id,
        "oldest": min(map(accepted_at, submissions)),
        "newest": max(map(accepted_at, submissions)),
        "traces": traces if any(traces) else None,
        **_each(submissions),
    }


def _is_conflict(error: Exception) -> bool:
    """Whether it was rolled back because of others who wrote at the same time."""
    return rolled_back(error) and sqlstate(error).startswith("40")


def _failure(error: Exception) -> str:
    """The few kinds of failure that a metric tells apart."""
    if isinstance(error, NotConnectedError):
        return "not_connected"
    if not rolled_back(error):
        return "outcome_unknown"
    return {"40": "conflict", "22": "data", "23": "constraint"}.get(sqlstate(error)[:2], "refused")
