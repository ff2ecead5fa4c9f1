"""One application on its way through the gateway, from the request to the commit."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from operator import attrgetter
from typing import NamedTuple
from uuid import UUID

from contracts import NewApplication, time_of, value_of

Outcome = asyncio.Future["Accepted"]


class Accepted(NamedTuple):
    """What a submitter is answered: ``value`` is the body of the 201, ``replayed`` tells a first answer repeated."""

    value: bytes
    replayed: bool = False


@dataclass(frozen=True, slots=True)
class KeyClaim:
    """An idempotency key that is to be won in the same transaction as the row.

    ``client`` is the scope (the same key of two clients is two keys), ``seconds`` how long it is kept.
    """

    client: str
    key: str
    seconds: float


@dataclass(slots=True, eq=False)
class Submission:
    """A validated application with its identity; ``done`` is resolved once its commit's outcome is known.

    Those of one ``group`` are stored together or not at all. ``owner``: whose it is, where its key reads only what it
    wrote.
    """

    id: UUID
    user_name: str
    description: str
    created_at: datetime
    value: bytes
    done: Outcome
    deadline: float = 0.0
    traceparent: str | None = None
    claim: KeyClaim | None = None
    owner: UUID | None = None
    group: object | None = None

    def answer(self, outcome: Accepted | BaseException) -> None:
        """Tell whoever waits; nothing where it was told before, or its client has gone."""
        if self.done.done():
            return
        if isinstance(outcome, Accepted):
            self.done.set_result(outcome)
        else:
            self.done.set_exception(outcome)

    def date_anew(self, new_id: Callable[[], UUID]) -> None:
        """An id, a time and bytes of now. Only for what was surely not stored: nobody has seen the former ones."""
        self.id = new_id()
        self.created_at = time_of(self.id)
        self.value = value_of(self)


accepted_at: Callable[[Submission], datetime] = attrgetter("created_at")
"""When it was accepted, for what is asked of many."""


@dataclass(frozen=True, slots=True)
class Batch:
    """The submissions of one commit, in order; ``id`` is the outbox row's, ``size`` the bytes of all values."""

    id: UUID
    submissions: Sequence[Submission]
    size: int


def from_new(
    new: NewApplication,
    *,
    new_id: Callable[[], UUID],
    traceparent: str | None = None,
    claim: KeyClaim | None = None,
    owner: UUID | None = None,
    loop: asyncio.AbstractEventLoop | None = None,
) -> Submission:
    """Give an application its id, the time inside that id, and the bytes that are answered and published.

    Whoever makes many passes the running ``loop``: Python 3.11 makes a system call each time it is asked for.
    """
    id_ = new_id()
    created_at = time_of(id_)
    done: Outcome = (loop or asyncio.get_running_loop()).create_future()
    submission = Submission(id_, new.user_name, new.description, created_at, b"", done, 0.0, traceparent, claim, owner)
    submission.value = value_of(submission)
    return submission
