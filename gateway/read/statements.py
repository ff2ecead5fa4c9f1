"""The statements that read applications, one for each shape of question: compiled once, prepared once a connection.

What the planner must know (how many rows at most) is part of the text; what it need not know is bound. So the plan
for any values is as good as that for these, and PostgreSQL soon stops planning. A part of a name is planned anew each
time: whether the trigram index or the primary key finds a page sooner depends on how rare the part is.
"""

from collections.abc import Callable, Collection, Mapping
from functools import lru_cache
from itertools import zip_longest
from typing import Any

from sqlalchemy import (
    BigInteger,
    Column,
    ColumnElement,
    Integer,
    Select,
    Uuid,
    bindparam,
    exists,
    func,
    literal_column,
    select,
    true,
    values,
)
from sqlalchemy.sql.selectable import LateralFromClause

from gateway.database.connection import Compiled
from gateway.database.tables import applications, ownerships
from gateway.read.search import FILTERS, OWNER, PART

_ID = applications.c.id
_FIELDS = select(applications)

# The filters of a search by name: what they ask of an application, and what they ask of its id.
_OF_CONTENT: Mapping[str, ColumnElement[bool]] = {
    # A filter with a column's name is for exactly this value.
    **{name: applications.c[name] == bindparam(name) for name in FILTERS if name in applications.c},
    # ILIKE on the bare column: what the trigram index (migrations/trigram.py) can answer.
    "user_name__like": applications.c.user_name.ilike(bindparam("user_name__like"), escape="/"),
}
_OF_ID: Mapping[str, Callable[[ColumnElement[Any]], ColumnElement[bool]]] = {
    "created_from": lambda id_: bindparam("created_from", type_=Uuid) <= id_,
    "created_to": lambda id_: bindparam("created_to", type_=Uuid) > id_,
}

# What one index answers: so many of it are counted by reading so many of its entries.
_INDEXED = {"user_name", *_OF_ID}, {OWNER, *_OF_ID}


def is_indexed(names: Collection[str]) -> bool:
    """Whether to count so many that the filters of these names find, one index is read so far and no further."""
    return bool(names) and any(indexed.issuperset(names) for indexed in _INDEXED)


def select_ids(names: tuple[str, ...]) -> tuple[Select[Any], ColumnElement[Any]]:
    """The ids of what the filters of these names find, and the column that they are, for order and bounds.

    What one key wrote is looked for among what it wrote: a page of it costs the same however much there is of others'.
    """
    id_: ColumnElement[Any] = ownerships.c.id if OWNER in names else _ID
    of_id = [_OF_ID[name](id_) for name in names if name in _OF_ID]
    of_content = [_OF_CONTENT[name] for name in names if name in _OF_CONTENT]
    if OWNER not in names:
        return select(id_).where(*of_content, *of_id), id_
    found = select(id_).where(ownerships.c.owner == bindparam(OWNER, type_=Uuid), *of_id)
    return (found.where(exists().where(id_ == _ID, *of_content)) if of_content else found), id_


def row_of(id_: ColumnElement[Any]) -> LateralFromClause:
    """The application with this id, from its month: the limit keeps the planner from joining whole partitions, which
    it would for so few rows in each.
    """
    return _FIELDS.where(id_ == _ID).limit(literal_column("1")).lateral("row")


# How many are read at a time; the next larger is taken and filled up.
_SIZES = (1, 4, 16, 64)
TOGETHER = _SIZES[-1]
"""So many applications are read by their ids at once."""
_NAMES = tuple(f"id_{place}" for place in range(TOGETHER))


def by_ids(ids: list[Any]) -> tuple[Compiled, dict[str, Any]]:
    """The applications with these ids, at most TOGETHER, in no order; what is not there is left out.

    What fills up finds nothing: a row that comes twice is to be read twice.
    """
    size = next(size for size in _SIZES if size >= len(ids))
    return _by_ids(size), dict(zip_longest(_NAMES[:size], ids))


@lru_cache(len(_SIZES))
def _by_ids(size: int) -> Compiled:
    """A list of values, not an array: its length is known to the planner, which then need not see them again."""
    ids = [(bindparam(name, type_=Uuid),) for name in _NAMES[:size]]
    asked = values(Column("id", Uuid), name="asked").data(ids)
    row = row_of(asked.c.id)
    return Compiled(select(*row.c).join_from(asked, row, true()))


@lru_cache(1)
def own() -> Compiled:
    """The application with ``id``, if it is ``owner``'s."""
    ids, id_ = select_ids((OWNER,))
    found = ids.where(id_ == bindparam("id", type_=Uuid)).subquery("found")
    row = row_of(found.c.id)
    return Compiled(select(*row.c).join_from(found, row, true()))


@lru_cache(512)
def page(names: tuple[str, ...], size: int, place: str, *, newest_first: bool, count_to: int = 0) -> Compiled:
    """``size`` applications that the filters of these names find; ``place`` is "", or binds "after" or "offset".

    With ``count_to`` each row has the ``number`` of all that they find, of no more than that.
    """
    statement = select_page(names, size, place, newest_first=newest_first)
    if count_to:
        statement = statement.add_columns(_number(names, literal_column(str(count_to))).label("number"))
    return Compiled(statement, anew=PART in names)


def select_page(names: tuple[str, ...], size: int, place: str, *, newest_first: bool) -> Select[Any]:
    """What an offset skips is skipped in the index; only the rows of the page itself are fetched."""
    ids, id_ = select_ids(names)
    ids = ids.order_by(id_.desc() if newest_first else id_.asc()).limit(literal_column(str(size)))
    if place == "after":
        last = bindparam("after", type_=Uuid)
        ids = ids.where(last > id_ if newest_first else last < id_)
    elif place == "offset":
        ids = ids.offset(bindparam("offset", type_=BigInteger))
    found = ids.subquery("page")
    row = row_of(found.c.id)
    return select(*row.c).join_from(found, row, true()).order_by(found.c.id.desc() if newest_first else found.c.id)


@lru_cache(16)
def count(names: tuple[str, ...]) -> Compiled:
    """How many applications these filters find; it stops at ``most``."""
    return Compiled(_number(names, bindparam("most", type_=Integer)), anew=PART in names)


def _number(names: tuple[str, ...], most: ColumnElement[int]) -> Select[Any]:
    ids, _ = select_ids(names)
    return select(func.count().label("number")).select_from(ids.limit(most).subquery())
