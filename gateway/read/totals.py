"""How many applications a search finds, without a count for each page that says it."""

import time
from collections.abc import Callable
from typing import Literal

from gateway.problems.errors import OverloadedError, SearchTooBroadError
from gateway.read import statements
from gateway.read.search import Search
from gateway.read.server import Server
from gateway.read.shared import Shared

# Up to here `total` is counted; beyond it says "at least".
COUNT_MAX = 10_000
# To count so many costs no more than the page itself, with which they are; what costs more is kept for a while.
_CHEAP = 1_000
KEPT_SECONDS = 1.0
_QUESTIONS_MAX = 1_000

Relation = Literal["exact", "at_least", "none"]
Total = tuple[int, Relation]

_Question = tuple[tuple[str, object], ...]


class Totals:
    """One question is counted once at a time for all who ask it, and at most once a second where that costs much."""

    def __init__(self, server: Server, clock: Callable[[], float] = time.monotonic) -> None:
        self._server = server
        self._clock = clock
        self._shared: Shared[_Question, Total] = Shared()
        self._kept: dict[_Question, tuple[float, Total]] = {}

    def counted_along(self, search: Search, *, anew: bool) -> int:
        """How far the statement of the page itself is to count: not at all where that may cost much, or is known."""
        wanted = search.total is None and (anew or self._kept_of(search) is None)
        return _CHEAP + 1 if wanted and statements.is_indexed(search.bound) else 0

    def take(self, search: Search, number: int) -> Total:
        """What the page's statement has counted; what was kept is older."""
        self._kept.pop(_question(search), None)
        return number, "exact"

    async def of(self, search: Search, *, anew: bool = False) -> Total:
        """What a count begun now says; of more than _CHEAP, unless ``anew``, also one of the last second.

        "At least" beyond COUNT_MAX, or where counting took too long, or had to wait too long. DatabaseAwayError.
        """
        if not anew and (kept := self._kept_of(search)):
            return kept
        question = _question(search)
        return await self._shared.ask(question, lambda: self._counted(search, question))

    def _kept_of(self, search: Search) -> Total | None:
        at, total = self._kept.get(_question(search), (0.0, None))
        return total if self._clock() - at < KEPT_SECONDS else None

    async def _counted(self, search: Search, question: _Question) -> Total:
        began = self._clock()
        total = await self._count(search)
        self._kept.pop(question, None)
        if total[0] > _CHEAP or total[1] == "at_least":
            self._kept[question] = began, total
            self._forget(before=self._clock() - KEPT_SECONDS)
        return total

    def _forget(self, *, before: float) -> None:
        """The newest are last, so that what is too old is first."""
        for question, (at, _) in list(self._kept.items()):
            if at > before and len(self._kept) <= _QUESTIONS_MAX:
                return
            del self._kept[question]

    async def _count(self, search: Search) -> Total:
        statement = statements.count(tuple(search.bound))
        try:
            [row] = await self._server.fetch(statement, {**search.bound, "most": COUNT_MAX + 1})
        except (SearchTooBroadError, OverloadedError):
            return 0, "at_least"
        return (row.number, "exact") if row.number <= COUNT_MAX else (COUNT_MAX, "at_least")

    async def close(self) -> None:
        """End what is under way."""
        await self._shared.close()


def _question(search: Search) -> _Question:
    return tuple(search.bound.items())
