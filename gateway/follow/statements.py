"""The statement that a stream goes on with: what comes after an id, up to where all is decided.

One statement, so one snapshot: what is below the floor that it sees was committed before it, or never will be. A
replica shows a state that the primary once had, so there the same holds.
"""

from functools import lru_cache

from sqlalchemy import Select, Uuid, bindparam, literal_column, select, text, true
from sqlalchemy.dialects import postgresql

from gateway.database.connection import Compiled
from gateway.database.tables import applications
from gateway.read.search import OWNER
from gateway.read.statements import row_of, select_ids

# The least of what the gateways say of their leases. One that says nothing (it has just come, or is of an older
# version) is waited for. A lease that is claimed commits nothing more; one that is not there yet begins later than
# the newest renewal (lease_statements.BEGIN).
_UNTIL = text("""
SELECT CASE
    WHEN count(*) FILTER (WHERE claimed_by IS NULL AND figures ->> 'floor' IS NULL) > 0 THEN NULL
    ELSE CAST(lpad(to_hex(least(
        min(CAST(figures ->> 'floor' AS bigint)) FILTER (WHERE claimed_by IS NULL),
        CAST(floor(extract(epoch FROM max(renewed_at)) * 1000) AS bigint)
    )), 12, '0') || repeat('0', 20) AS uuid)
END AS until
FROM gateway_leases
""").columns(until=postgresql.UUID(as_uuid=True))


@lru_cache(16)
def closed(names: tuple[str, ...], size: int) -> Compiled:
    """``size`` applications after ``after`` that the filters of these names find, in the order of their ids.

    Every row has ``until``: all that is below it is decided; without an application there is one row, of that alone.
    """
    return Compiled(select_closed(names, size))


def select_closed(names: tuple[str, ...], size: int) -> Select[tuple[object, ...]]:
    """The statement itself, for its plan."""
    floor, (ids, id_) = _UNTIL.cte("floor"), select_ids(names)
    bounded = (
        ids.where(id_ > bindparam("after", type_=Uuid), id_ < floor.c.until)
        .order_by(id_)
        .limit(literal_column(str(size)))
    )
    if OWNER not in names:
        found = bounded.with_only_columns(*applications.c).lateral("found")
        return select(floor.c.until, *found.c).select_from(floor.outerjoin(found, true())).order_by(found.c.id)
    # Each is fetched once it is known which there are. One that was deleted by hand has its place and nothing else.
    found = bounded.lateral("found")
    row = row_of(found.c.id)
    content = [column for column in row.c if column.name != "id"]
    joined = floor.outerjoin(found, true()).outerjoin(row, true())
    return select(floor.c.until, found.c.id, *content).select_from(joined).order_by(found.c.id)
