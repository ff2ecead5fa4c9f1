"""Group commit: whoever waits while one commit is under way is in the next one.

One commit is in flight at a time, so the order of commits is the order of batch ids.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Any
from uuid import UUID

from gateway.commit import key_holders
from gateway.commit.commit_queue import CommitQueue
from gateway.commit.commits import Commits, State
from gateway.commit.floor import Floor
from gateway.commit.lease import LeaseKeeper
from gateway.commit.statements import DELETE_CONFIRMED
from gateway.commit.submission import Accepted, Batch, Submission
from gateway.database.connection import DATABASE_ERRORS, Session
from gateway.database.ids import Ids
from gateway.observability.telemetry import Telemetry
from gateway.settings import Settings

_IDLE_DELETE_SECONDS = 0.2
_RETRY_SECONDS = 0.2
_DEADLINE_LOOK_SECONDS = 0.25


class Writer:
    """Commits what is queued in batches and releases each committed batch, in order, to the publisher.

    ``submit``, ``submit_all`` and ``submit_group`` are the queue's.
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
        self._session, self._keeper, self._release = session, keeper, release
        self.new_id = ids or Ids()
        self.queue = CommitQueue(settings)
        self.submit, self.submit_all = self.queue.submit, self.queue.submit_all
        self.submit_group = self.queue.submit_group
        self._under_way: Sequence[Submission] = ()
        self.floor = Floor(lambda: self.new_id, lambda: (*self._under_way, *self.queue.waiting))
        self._commits = Commits(
            session=session,
            keeper=keeper,
            positions=positions,
            new_id=lambda: self.new_id(),
            stored=self._accepted,
            failures=self._telemetry.metrics.commit_failures,
        )
        self._confirmed = self._commits.confirmed
        self.commits = 0
        self.committed = 0

    @property
    def state(self) -> State:
        """What the commit in flight is doing."""
        return self._commits.state

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
        self.floor.keep(submissions)
        back = await self._commits.commit(submissions, lease)
        if back:
            self.queue.put_back(back)
        self._under_way = ()
        if back:
            await asyncio.sleep(_RETRY_SECONDS)

    async def _accepted(self, batch: Batch, lease: UUID, accepted: Sequence[Submission]) -> None:
        """Publish and answer what was stored; answer the losers of a key with what the winner stored."""
        self.commits += 1
        self.committed += len(accepted)
        self._telemetry.committed(batch.submissions, accepted, began=self._commits.began, ended=time.monotonic())
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
