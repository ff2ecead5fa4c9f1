"""Idempotency keys inside the commit: one at a time per process, sorted per batch, losers answered by a second read."""

from collections.abc import Sequence
from typing import Any

from contracts import content_of, value_of
from gateway.commit.statements import KEY_HOLDERS
from gateway.commit.submission import Accepted, Outcome, Submission
from gateway.database.connection import DATABASE_ERRORS, Session
from gateway.problems.errors import DatabaseAwayError, KeyInFlightError, KeyReusedError

CONTENT_CLIENT = ""


class KeysInFlight:
    """The keys of this process whose first request has not been answered yet."""

    def __init__(self) -> None:
        self._first: dict[tuple[str, str], Submission] = {}

    def enter(self, submission: Submission) -> Submission | None:
        """None: this is the first with its key, or has none. Content still in flight: it will share the first's answer.

        Raises KeyInFlightError where a client's own key is in flight.
        """
        claim = submission.claim
        if claim is None:
            return None
        key = claim.client, claim.key
        first = self._first.get(key)
        if first is None:
            self._first[key] = submission
            submission.done.add_done_callback(lambda _: self._first.pop(key, None))
            return None
        if claim.client != CONTENT_CLIENT:
            raise KeyInFlightError("The first request with this Idempotency-Key is still under way.")
        first.done.add_done_callback(lambda outcome: submission.answer(_shared(outcome)))
        return first


def _shared(first: Outcome) -> Accepted | BaseException:
    """What the first request's outcome is to another one with the same content."""
    if first.cancelled():
        return DatabaseAwayError("The first request with this content was given up.")
    return first.exception() or Accepted(first.result().value, replayed=True)


def order(submission: Submission) -> tuple[str, str]:
    """Sorts by key: two gateways that insert the same keys in the same order cannot deadlock."""
    assert submission.claim is not None  # noqa: S101 -- callers pass claims only
    return submission.claim.client, submission.claim.key


def columns(claims: Sequence[Submission]) -> dict[str, Any]:
    """The arrays of COMMIT_WITH_KEYS."""
    return {
        "clients": [order(each)[0] for each in claims],
        "keys": [order(each)[1] for each in claims],
        "key_ids": [each.id for each in claims],
        "key_seconds": [each.claim.seconds for each in claims if each.claim],
    }


async def answer(session: Session, losers: Sequence[Submission]) -> None:
    """Answer each loser with the application that holds its key: the same content replays, other content is refused."""
    keys = [order(each) for each in losers]
    lost = {"clients": [client for client, _ in keys], "keys": [key for _, key in keys]}
    try:
        rows = await session.execute(KEY_HOLDERS, lost)
    except DATABASE_ERRORS as error:
        for each in losers:
            each.answer(DatabaseAwayError(f"The key's first answer cannot be read: {type(error).__name__}"))
        return
    holders = {(row.client, row.key): row for row in rows}
    for each, key in zip(losers, keys, strict=True):
        each.answer(_replay(each, holders.get(key)))


def _replay(loser: Submission, holder: Any) -> Accepted | Exception:
    if holder is None:
        return KeyInFlightError("The key's first answer has just been removed; try again.")
    if content_of(holder) != content_of(loser):
        return KeyReusedError("This Idempotency-Key was used with another body before.")
    return Accepted(value_of(holder), replayed=True)
