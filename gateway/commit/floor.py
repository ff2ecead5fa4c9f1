"""The floor under what is committed: nothing older comes any more, and readers need not wait for it.

Ids are made before they are committed, so a reader that goes by their order must know below which of them all is
decided. Each gateway says so of its lease with every heartbeat (docs/decisions/following.md).
"""

from collections.abc import Callable, Iterable, Sequence
from datetime import timedelta
from uuid import UUID

from contracts import milliseconds_of, time_of
from gateway.commit.statements import CLOCK_BOUND_SECONDS
from gateway.commit.submission import Submission, accepted_at
from gateway.database.ids import Ids

# Either clock may be so far off the database's.
_REFUSED = timedelta(seconds=2 * CLOCK_BOUND_SECONDS)


class Floor:
    """The floor of the lease in force, in milliseconds since 1970, as ids have them."""

    def __init__(self, ids: Callable[[], Ids], undecided: Callable[[], Iterable[Submission]]) -> None:
        self._ids, self._undecided = ids, undecided
        self.begin(0)

    def begin(self, at: int) -> None:
        """A lease begins with this floor. A clock that is further behind than a commit may be stays as it is."""
        if at - milliseconds_of(self._ids()()) < CLOCK_BOUND_SECONDS * 1000:
            self._ids().not_before(at)
        self._set(at)

    def raised(self) -> int:
        """The floor, as high as it can be now: what is not decided yet and what is still to come is not older."""
        newest = milliseconds_of(self._ids()())
        least = min((milliseconds_of(each.id) for each in self._undecided()), default=newest)
        self._set(max(self._at, min(least, newest)))
        return self._at

    def keep(self, submissions: Sequence[Submission]) -> None:
        """Before a commit: what comes to it too late to be what it was gets an id of now.

        What is older than any commit may be is left as it is, for PostgreSQL to refuse.
        """
        if min(map(accepted_at, submissions)) >= self._instant:
            return
        for submission in submissions:
            if self._instant - _REFUSED <= submission.created_at < self._instant:
                submission.date_anew(self._ids())

    def _set(self, at: int) -> None:
        self._at, self._instant = at, time_of(UUID(int=at << 80))
