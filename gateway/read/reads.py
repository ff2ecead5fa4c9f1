"""What PostgreSQL holds, read back: one application, or a page of them. Bounded in rows, in depth and in time."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, TypeVar
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncEngine

from contracts import Stored, value_of
from gateway.database.connection import Compiled
from gateway.problems.errors import SearchTooBroadError
from gateway.read import cursor, statements
from gateway.read.joined import Joined
from gateway.read.search import OWNER, Search
from gateway.read.server import Server
from gateway.read.shared import Shared
from gateway.read.totals import Relation, Total, Totals

_Written = TypeVar("_Written")


@dataclass(frozen=True, slots=True)
class Page:
    """One page; ``next_cursor`` continues after it and ``prev_cursor`` before it: None at an end of the list."""

    items: Sequence[Stored]
    total: int
    relation: Relation
    next_cursor: str | None
    prev_cursor: str | None


class Reads:
    """Reads of one PostgreSQL server."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._server = Server(engine)
        self._joined = Joined(self._server)
        self._totals = Totals(self._server)
        self._pages: Shared[tuple[Search, bool, object], Any] = Shared()
        self._rows: Shared[object, Sequence[Any]] = Shared()

    def one(self, id: UUID, owner: UUID | None = None) -> Awaitable[bytes | None]:  # noqa: A002 -- the field's name
        """The application as its 201 showed it, byte for byte; None if there is none. DatabaseAwayError.

        For a key that reads only what its ``owner`` wrote there is no other.
        """
        return self._joined.read(id) if owner is None else self._own(id, owner)

    async def _own(self, id_: UUID, owner: UUID) -> bytes | None:
        rows = await self.rows(statements.own(), {"id": id_, OWNER: owner})
        return value_of(rows[0]) if rows else None

    async def page(self, search: Search, *, anew: bool = False) -> Page:
        """The page that ``search`` asks for, its total counted ``anew`` or in the last second.

        CursorInvalidError, SearchTooBroadError, DatabaseAwayError.
        """
        return await self.written(search, _itself, anew=anew)

    async def written(
        self, search: Search, write: Callable[[Page, Search], _Written], *, anew: bool = False
    ) -> _Written:
        """What ``write`` makes of the page, once for all who ask for it at the same time. Errors as of ``page``."""

        async def find() -> _Written:
            return write(await self._read(search, anew=anew), search)

        written: _Written = await self._pages.ask((search, anew, write), find)
        return written

    async def rows(self, statement: Compiled, values: Mapping[str, Any]) -> Sequence[Any]:
        """What a statement finds, asked once for all who ask it at the same time. DatabaseAwayError."""
        question = statement, tuple(values.items())
        return await self._rows.ask(question, lambda: self._server.fetch(statement, values))

    async def _read(self, search: Search, *, anew: bool) -> Page:
        place = cursor.decode(search.cursor, search.filters) if search.cursor is not None else None
        rows, count_to = await self._found(search, place, anew=anew)
        total, relation = await self._total(search, rows, count_to, anew=anew)
        items, around = _cut(search, place, rows)
        return Page(items, total, relation, *around)

    async def _found(self, search: Search, place: cursor.Place | None, *, anew: bool) -> tuple[Sequence[Any], int]:
        """The page's rows, and how far they were counted along: not at all where that takes too long."""
        if count_to := self._totals.counted_along(search, anew=anew):
            with suppress(SearchTooBroadError):
                return await self._server.fetch(*_page(search, place, count_to)), count_to
        return await self._server.fetch(*_page(search, place, 0)), 0

    async def _total(self, search: Search, rows: Sequence[Any], count_to: int, *, anew: bool) -> Total:
        if search.total == "none":
            return 0, "none"
        # Of a page beyond the end nothing was seen; one that ends the list says how long it is.
        seen = search.offset + len(rows) if rows else 0
        if search.cursor is None and len(rows) <= search.size and (rows or not search.offset):
            return seen, "exact"
        if rows and count_to and rows[0].number < count_to:
            return self._totals.take(search, rows[0].number)
        total, relation = await self._totals.of(search, anew=anew)
        # More have come since they were counted: those that were seen are not denied.
        return (total, relation) if total >= seen else (seen, "at_least")

    async def close(self) -> None:
        """End what is under way and drop every connection."""
        for under_way in (self._joined, self._pages, self._rows, self._totals):
            await under_way.close()
        await self._server.close()


def _itself(page: Page, _: Search) -> Page:
    return page


def _page(search: Search, place: cursor.Place | None, count_to: int) -> tuple[Compiled, dict[str, Any]]:
    """One row more than the page has: it tells whether anything follows. Backwards, the list is read the other way."""
    values: dict[str, Any] = dict(search.bound)
    begins = ""
    if place is not None:
        begins, values["after"] = "after", place.item
    elif search.offset:
        begins, values["offset"] = "offset", search.offset
    newest_first = search.newest_first != (place is not None and place.backwards)
    names, size = tuple(search.bound), search.size + 1
    return statements.page(names, size, begins, newest_first=newest_first, count_to=count_to), values


def _cut(
    search: Search, place: cursor.Place | None, rows: Sequence[Any]
) -> tuple[Sequence[Any], tuple[str | None, str | None]]:
    """The page's items in the order of the list, and the cursors to what comes after and before them.

    Whoever comes by a cursor comes from an item: on that side there is something.
    """
    backwards = place is not None and place.backwards
    more, came = len(rows) > search.size, place is not None or search.offset > 0
    items = rows[: search.size][:: -1 if backwards else 1]
    if not items:
        return items, (None, None)
    following, before = (came, more) if backwards else (more, came)
    return items, (
        cursor.encode(cursor.Place(items[-1].id), search.filters) if following else None,
        cursor.encode(cursor.Place(items[0].id, backwards=True), search.filters) if before else None,
    )
