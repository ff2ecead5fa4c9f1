"""Submissions that wait for a commit: bounded in count and bytes, first come first served, none past its deadline."""

import asyncio
import random
import time
from collections import deque
from collections.abc import Callable, Sequence
from itertools import takewhile

from gateway.commit.key_holders import KeysInFlight
from gateway.commit.submission import Outcome, Submission
from gateway.problems.errors import DatabaseAwayError, DrainingError, GatewayError, QueueFullError
from gateway.settings import Settings

_BATCH_BYTES_MAX = 4 * 1024 * 1024


class CommitQueue:
    """The queue in front of the writer; ``wake`` is set whenever there is something to do."""

    def __init__(self, settings: Settings, *, clock: Callable[[], float] = time.monotonic) -> None:
        self.wake = asyncio.Event()
        self.draining = False
        self._settings, self._clock = settings, clock
        self.waiting: deque[Submission] = deque()
        self._bytes = 0
        self._keys = KeysInFlight()

    def __len__(self) -> int:
        return len(self.waiting)

    def submit(self, submission: Submission) -> Outcome:
        """Queue one; its future resolves after COMMIT, or fails with a GatewayError. Raises one at once when full."""
        self._admit(1, len(submission.value))
        if self._keys.enter(submission) is None:
            self._append(submission)
        return submission.done

    def submit_all(self, submissions: Sequence[Submission]) -> list[Outcome]:
        """Queue many, all or none, for the same commit as far as its bounds allow; one future for each, in order."""
        self._admit(len(submissions), sum(len(each.value) for each in submissions))
        for submission in submissions:
            try:
                if self._keys.enter(submission) is None:
                    self._append(submission)
            except GatewayError as error:
                submission.answer(error)
        return [submission.done for submission in submissions]

    def submit_group(self, submissions: Sequence[Submission]) -> None:
        """Queue many that are stored together or not at all: they share a deadline, and what refuses any of them."""
        self._admit(len(submissions), sum(len(each.value) for each in submissions))
        group, deadline = object(), self._deadline()
        try:
            for submission in submissions:
                self._keys.enter(submission)
        except GatewayError as error:
            for submission in submissions:
                submission.answer(error)
            return
        for submission in submissions:
            submission.group = group
            self._append(submission, deadline)

    def gather(self) -> list[Submission]:
        """The next batch: bounded in count and bytes, without those that were answered or whose client has gone."""
        taken: list[Submission] = []
        size = 0
        while self.waiting and len(taken) < self._settings.commit_batch_max and size < _BATCH_BYTES_MAX:
            if self.waiting[0].group is not None:
                group = self._next_group(len(taken))
                if not group:
                    break
                taken += group
                size += sum(len(each.value) for each in group)
                continue
            submission = self._take()
            if not submission.done.done():
                taken.append(submission)
                size += len(submission.value)
        return taken

    def _next_group(self, taken: int) -> list[Submission]:
        """The group that is next, whole; nothing where it does not fit beside so many that are taken already."""
        while self.waiting and (group := self.waiting[0].group) is not None:
            members = list(takewhile(lambda each: each.group is group, self.waiting))
            if taken and taken + len(members) > self._settings.commit_batch_max:
                break
            for _ in members:
                self._take()
            if not any(each.done.done() for each in members):
                return members
            for each in members:
                each.answer(DatabaseAwayError("Another application of its batch was given up.", jittered_seconds()))
        return []

    def put_back(self, submissions: Sequence[Submission]) -> None:
        """These were surely not stored: back to the head, until each one's own deadline."""
        self.waiting.extendleft(reversed(submissions))
        self._bytes += sum(len(each.value) for each in submissions)
        self.wake.set()

    def expire(self, under_way: Sequence[Submission]) -> None:
        """Answer 503 to whoever has waited past the deadline, in the queue or in a commit that does not end."""
        now = self._clock()
        while self.waiting and self.waiting[0].deadline < now:
            self._take().answer(DatabaseAwayError("No commit within the deadline.", jittered_seconds()))
        for submission in under_way:
            if submission.deadline < now:
                submission.answer(DatabaseAwayError("The commit was not confirmed in time.", jittered_seconds()))

    def drain(self) -> None:
        """Refuse what comes from now on."""
        self.draining = True
        self.wake.set()

    def _admit(self, count: int, size: int) -> None:
        if self.draining:
            raise DrainingError("The gateway is stopping; send the request to another one.")
        if (
            len(self.waiting) + count > self._settings.commit_queue_max
            or self._bytes + size > self._settings.commit_queue_max_bytes
        ):
            raise QueueFullError("More applications wait for the database than this gateway holds.")

    def _deadline(self) -> float:
        return self._clock() + self._settings.commit_deadline_seconds

    def _append(self, submission: Submission, deadline: float | None = None) -> None:
        submission.deadline = self._deadline() if deadline is None else deadline
        self.waiting.append(submission)
        self._bytes += len(submission.value)
        self.wake.set()

    def _take(self) -> Submission:
        submission = self.waiting.popleft()
        self._bytes -= len(submission.value)
        return submission


def jittered_seconds() -> int:
    """Whole seconds for Retry-After, spread so that the clients do not all come back at once."""
    return random.randint(1, 4)  # noqa: S311 -- a spread, not a secret
