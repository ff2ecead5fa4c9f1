"""Group commit: whoever waits while one commit is under way is in the next one.

States: ``gathering`` (nothing under way), ``committing``, ``settling`` (the outcome of a commit is not known and is
being settled by a write). One commit is in flight at a time, so the order of commits is the order of batch ids.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from gateway.commit import key_holders
from gateway.commit.commit_queue import CommitQueue, jittered_seconds
from gateway.commit.lease import LeaseKeeper
from gateway.commit.statements import (
    CHECK,
    CLOCK_BOUND_SECONDS,
    COLUMNS,
    COMMIT,
    COMMIT_WITH_KEYS,
    DELETE_CONFIRMED,
    SETTLE,
)
from gateway.commit.submission import Accepted, Batch, Submission
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
from gateway.database.ids import Ids
from gateway.observability.telemetry import Telemetry
from gateway.problems.errors import DatabaseAwayError, RefusedError
from gateway.settings import Settings

log = logging.getLogger(__name__)

_IDLE_DELETE_SECONDS = 0.2
_RETRY_SECONDS = 0.2
_DEADLINE_LOOK_SECONDS = 0.25


# {"each_id": [row.id for row in rows], …}: the columns of `applications` as the statements take them. Written out from
# the table's own names, because that takes a third of the time of any loop over them, for each application stored.
_LISTS = ", ".join(f'"each_{name}": [row.{name} for row in rows]' for name in COLUMNS)
_each: Callable[[Sequence[Submission]], dict[str, Any]] = eval(f"lambda rows: {{{_LISTS}}}")  # noqa: S307 -- see above


# What a commit came to: the submissions that were stored (all others lost their key), or None where nothing was
# committed; and those that come back.
_Outcome = tuple[Sequence[Submission] | None, Sequence[Submission]]
_NONE: Sequence[Submission] = ()


class ClockError(Exception):
    """This machine's clock and the database's differ by more than a commit is allowed to."""


class Writer:
    """Commits what is queued in batches and releases each committed batch, in order, to the publisher.

    ``submit`` and ``submit_all`` are the queue's.
    """

    def __init__(
        self,
        *,
        session: Session,
        keeper: LeaseKeeper,
        positions: Callable[[], dict[str, Any]],
        release: Callable[[Batch, UUID], None],
        settings: Settings,
        telemetry: Telemetry | None = None,
        ids: Ids | None = None,
    ) -> None:
        self._telemetry = telemetry or Telemetry(settings)
        self._began = 0.0
        self._session, self._keeper = session, keeper
        self._positions, self._release = positions, release
        self.new_id = ids or Ids()
        self.queue = CommitQueue(settings)
        self.submit, self.submit_all = self.queue.submit, self.queue.submit_all
        self._under_way: Sequence[Submission] = ()
        self._confirmed: list[UUID] = []
        self.state: Literal["gathering", "committing", "settling"] = "gathering"
        self.database_away = False
        self.commits = 0
        self.committed = 0

    def confirm(self, batch: UUID) -> None:
        """Kafka has acknowledged all of this batch: its outbox row goes with the next commit, or soon when idle."""
        self._confirmed.append(batch)
        if len(self._confirmed) == 1:
            asyncio.get_running_loop().call_later(_IDLE_DELETE_SECONDS, self.queue.wake.set)

    # --- the loop -----------------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Commit whatever waits, for ever; returns after ``drain`` once nothing waits."""
        while self.queue or not self.queue.draining:
            await self.queue.wake.wait()
            self.queue.wake.clear()
            while self.queue:
                lease = await self._in_order()
                if submissions := self.queue.gather():
                    await self._commit_or_put_back(submissions, lease)
            while self._confirmed and not self.queue:
                await self.delete_confirmed()

    async def expire(self, sleep: Callable[[float], Awaitable[None]] = asyncio.sleep) -> None:
        """Keep deadlines, whatever the database is doing; for ever."""
        while True:
            await sleep(_DEADLINE_LOOK_SECONDS)
            if self.queue or self._under_way:
                self.queue.expire(self._under_way)

    def drain(self) -> None:
        """Refuse new submissions; ``run`` returns once what was accepted is committed or has failed."""
        self.queue.drain()

    async def _in_order(self) -> UUID:
        """The lease in force; another one where the clock was set back, because order by id holds within a lease."""
        lease = await self._keeper.held()
        if self.new_id.went_back:
            self._keeper.lost(lease, "this machine's clock was set back, and ids follow it under a new lease only")
            self.new_id.begin_anew()
            lease = await self._keeper.held()
        return lease

    # --- one commit ---------------------------------------------------------------------------------------------

    async def _commit_or_put_back(self, submissions: Sequence[Submission], lease: UUID) -> None:
        """What was surely not stored goes back as one, in its order, so that nothing overtakes it (rule 18)."""
        self._under_way = submissions
        back = await self._commit(submissions, lease)
        if back:
            self.queue.put_back(back)
        self._under_way = ()
        if back:
            await asyncio.sleep(_RETRY_SECONDS)

    async def _commit(self, submissions: Sequence[Submission], lease: UUID) -> Sequence[Submission]:
        """Commit these, whatever it takes; returns what comes back: everything from the first that was not stored."""
        batch = _batch(self.new_id(), submissions)
        self.state, self._began = "committing", time.monotonic()
        accepted: Sequence[Submission] | None
        try:
            accepted, back = await self._write(batch, lease), _NONE
        except DATABASE_ERRORS as error:
            accepted, back = await self._failed(batch, lease, error)
        finally:
            self.state = "gathering"
        if accepted is not None:
            await self._accepted(batch, lease, accepted)
        return back

    async def _write(self, batch: Batch, lease: UUID) -> Sequence[Submission]:
        """One statement; returns the submissions that were stored (all but the losers of an idempotency key)."""
        submissions, confirmed = batch.submissions, self._confirmed
        values = _columns(batch) | {"lease": lease, "positions": self._positions(), "confirmed": confirmed}
        claims = sorted((s for s in submissions if s.claim), key=key_holders.order)
        count = len(confirmed)
        if claims:
            rows = await self._session.execute(COMMIT_WITH_KEYS, values | key_holders.columns(claims))
            stored = {row.id for row in rows}
            submissions = [submission for submission in submissions if submission.id in stored]
        else:
            await self._session.execute(COMMIT, values)
        del confirmed[:count]
        self.database_away = False
        return submissions

    async def _accepted(self, batch: Batch, lease: UUID, accepted: Sequence[Submission]) -> None:
        """Publish and answer what was stored; answer the losers of a key with what the winner stored."""
        self.commits += 1
        self.committed += len(accepted)
        self._telemetry.committed(batch.submissions, accepted, began=self._began, ended=time.monotonic())
        if accepted:
            self._release(Batch(batch.id, accepted, batch.size), lease)
        else:
            self.confirm(batch.id)
        for submission in accepted:
            submission.answer(Accepted(submission.value))
        if len(accepted) < len(batch.submissions):
            stored = {submission.id for submission in accepted}
            losers = [submission for submission in batch.submissions if submission.id not in stored]
            await key_holders.answer(self._session, losers)
            self._telemetry.replayed(losers)

    async def _failed(self, batch: Batch, lease: UUID, error: Exception) -> _Outcome:
        """What follows from an error, as docs/sqlstates.md has it: settle, repeat, bisect, or try again later."""
        self._telemetry.metrics.commit_failures[_failure(error)] += 1
        if isinstance(error, NotConnectedError):
            return self._again_later(batch, error)
        if not rolled_back(error):
            return await self._settle(batch, lease, error)
        if sqlstate(error) == "23502" and constraint(error) == "lease":
            return await self._unleased(batch, lease)
        if sqlstate(error).startswith("40"):
            return await self._repeat(batch, lease)
        if for_content(error):
            return await self._bisect(batch, lease, error)
        log.error("PostgreSQL refuses to store: %s", first_line(error), extra={"sqlstate": sqlstate(error)})
        return self._again_later(batch, error)

    def _again_later(self, batch: Batch, error: Exception) -> _Outcome:
        """Nothing was stored: all of it comes back, until each one's own deadline."""
        if not self.database_away:
            log.warning("PostgreSQL does not take commits: %s", first_line(error))
        self.database_away = True
        return None, batch.submissions

    async def _unleased(self, batch: Batch, lease: UUID) -> _Outcome:
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

    async def _repeat(self, batch: Batch, lease: UUID) -> _Outcome:
        """A deadlock or serialisation failure: the same batch again, under the same id."""
        try:
            return await self._write(batch, lease), _NONE
        except DATABASE_ERRORS as error:
            return await self._failed(batch, lease, error)

    async def _bisect(self, batch: Batch, lease: UUID, error: Exception) -> _Outcome:
        """A row that PostgreSQL refuses fails alone: halves are committed by themselves, in order, the second only
        where all of the first was stored or refused.
        """
        submissions = batch.submissions
        if len(submissions) == 1:
            log.warning("PostgreSQL refused an application: %s", first_line(error))
            submissions[0].answer(RefusedError("The database refuses this application for what it contains."))
            return None, _NONE
        middle = len(submissions) // 2
        back = await self._commit(submissions[:middle], lease)
        if back or self._keeper.lease != lease:
            return None, [*back, *submissions[middle:]]
        return None, await self._commit(submissions[middle:], lease)

    async def _settle(self, batch: Batch, lease: UUID, error: Exception) -> _Outcome:
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

    async def delete_confirmed(self) -> None:
        """Without a commit to go with: the rows go by themselves, and leave memory once that has committed."""
        count = len(self._confirmed)
        try:
            await self._session.execute(DELETE_CONFIRMED, {"confirmed": self._confirmed})
        except DATABASE_ERRORS:
            self.queue.wake.set()
            await asyncio.sleep(_RETRY_SECONDS)
        else:
            del self._confirmed[:count]


def _batch(id_: UUID, submissions: Sequence[Submission]) -> Batch:
    return Batch(id_, submissions, sum(len(each.value) for each in submissions))


def _columns(batch: Batch) -> dict[str, Any]:
    submissions = batch.submissions
    traces = [submission.traceparent for submission in submissions]
    return {
        "batch": batch.id,
        "oldest": min(submission.created_at for submission in submissions),
        "newest": max(submission.created_at for submission in submissions),
        "traces": traces if any(traces) else None,
        **_each(submissions),
    }


def _failure(error: Exception) -> str:
    """The few kinds of failure that a metric tells apart."""
    if isinstance(error, NotConnectedError):
        return "not_connected"
    if not rolled_back(error):
        return "outcome_unknown"
    return {"40": "conflict", "22": "data", "23": "constraint"}.get(sqlstate(error)[:2], "refused")
