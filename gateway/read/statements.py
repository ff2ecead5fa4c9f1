"""The statements that read applications, one for each shape of question: compiled once, prepared once a connection.

What the planner must know (how many rows at most) is part of the text; what it need not know is bound. So the plan
for any values is as good as that for these, and PostgreSQL soon stops planning.
"""

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from sqlalchemy import (
    BigInteger,
    Column,
    ColumnElement,
    Integer,
    Select,
    Uuid,
    bindparam,
    func,
    literal_column,
    select,
    true,
    values,
)

from gateway.database.connection import Compiled
from gateway.database.tables import applications
from gateway.read.search import FILTERS

_ID = applications.c.id
_FIELDS = select(applications)

CONDITIONS: Mapping[str, ColumnElement[bool]] = {
    # A filter with a column's name is for exactly this value.
    **{name: applications.c[name] == bindparam(name) for name in FILTERS if name in applications.c},
    # ILIKE on the bare column: what the trigram index (migrations/trigram.py) can answer.
    "user_name__like": applications.c.user_name.ilike(bindparam("user_name__like"), escape="/"),
    "created_from": bindparam("created_from", type_=Uuid) <= _ID,
    "created_to": bindparam("created_to", type_=Uuid) > _ID,
}
"""The filters of a search by name."""

# How many are read at a time; the next larger is taken and filled up.
_SIZES = (1, 4, 16, 64)
TOGETHER = _SIZES[-1]
"""So many applications are read by their ids at once."""


def by_ids(ids: list[Any]) -> tuple[Compiled, dict[str, Any]]:
    """The applications with these ids, at most TOGETHER, in no order; what is not there is left out."""
    size = next(size for size in _SIZES if size >= len(ids))
    return _by_ids(size), {f"id_{place}": ids[min(place, len(ids) - 1)] for place in range(size)}


@lru_cache(len(_SIZES))
def _by_ids(size: int) -> Compiled:
    """A list of values, not an array: its length is known to the planner, which then need not see them again."""
    names = [(bindparam(f"id_{place}", type_=Uuid),) for place in range(size)]
    asked = values(Column("id", Uuid), name="asked").data(names)
    row = _FIELDS.where(asked.c.id == _ID).limit(literal_column("1")).lateral("row")
    return Compiled(select(*row.c).join_from(asked, row, true()))


@lru_cache(512)
def page(names: tuple[str, ...], size: int, place: str, *, newest_first: bool) -> Compiled:
    """``size`` applications that the filters of these names find; ``place`` is "", or binds "after" or "offset"."""
    return Compiled(select_page(names, size, place, newest_first=newest_first))


def select_page(names: tuple[str, ...], size: int, place: str, *, newest_first: bool) -> Select[Any]:
    """What an offset skips is skipped in the index; only the rows of the page itself are fetched, each from its month.

    The inner limit keeps the planner from joining whole partitions, which it would for so few rows in each.
    """
    order = _ID.desc() if newest_first else _ID.asc()
    ids = select(_ID).where(*_conditions(names)).order_by(order).limit(literal_column(str(size)))
    if place == "after":
        last = bindparam("after", type_=Uuid)
        ids = ids.where(last > _ID if newest_first else last < _ID)
    elif place == "offset":
        ids = ids.offset(bindparam("offset", type_=BigInteger))
    found = ids.subquery("page")
    row = _FIELDS.where(found.c.id == _ID).limit(literal_column("1")).lateral("row")
    return select(*row.c).join_from(found, row, true()).order_by(found.c.id.desc() if newest_first else found.c.id)


@lru_cache(16)
def count(names: tuple[str, ...]) -> Compiled:
    """How many applications these filters find; it stops at ``most``."""
    most = bindparam("most", type_=Integer)
    found = select(literal_column("1")).select_from(applications).where(*_conditions(names)).limit(most).subquery()
    return Compiled(select(func.count().label("number")).select_from(found))


def _conditions(names: tuple[str, ...]) -> list[ColumnElement[bool]]:
    return [CONDITIONS[name] for name in names]
