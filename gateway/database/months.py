"""The months of `applications`: which ids each holds, the name of its partition, and which are there."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from contracts import first_id

_NAME = re.compile(r"applications_(before_)?(\d{4})_(\d\d)", re.ASCII)

# Names; none where the table is not partitioned yet.
PARTITIONS = """
SELECT part.relname FROM pg_inherits JOIN pg_class AS part ON part.oid = inhrelid
WHERE inhparent = (SELECT oid FROM pg_class WHERE oid = to_regclass('applications') AND relkind = 'p')
ORDER BY part.relname
"""


class Month(NamedTuple):
    """One month in UTC; months sort by time."""

    year: int
    number: int

    @classmethod
    def of(cls, instant: datetime) -> "Month":
        instant = instant.astimezone(UTC)
        return cls(instant.year, instant.month)

    @property
    def following(self) -> "Month":
        return self.later(1)

    @property
    def begins(self) -> datetime:
        return datetime(self.year, self.number, 1, tzinfo=UTC)

    @property
    def first(self) -> UUID:
        """Its ids are from this one on, and below the first one of the following month."""
        return first_id(self.begins)

    @property
    def table(self) -> str:
        return f"applications_{self}"

    def later(self, months: int) -> "Month":
        years, number = divmod(self.number - 1 + months, 12)
        return Month(self.year + years, number + 1)

    def until(self, last: "Month") -> Iterator["Month"]:
        """This month and those after it, ``last`` included."""
        month = self
        while month <= last:
            yield month
            month = month.following

    def __str__(self) -> str:
        return f"{self.year:04}_{self.number:02}"


@dataclass(frozen=True)
class Partitions:
    """What the table consists of beside its default partition.

    ``older`` are tables that hold everything below a month, from where the partition before them ends: what was there
    before the table had partitions, or before somebody made the months.
    """

    months: tuple[Month, ...] = ()
    older: tuple[Month, ...] = ()
    partitioned: bool = False

    @property
    def end(self) -> Month | None:
        """Every month before this one has its place, or had it."""
        return max([*(month.following for month in self.months), *self.older], default=None)

    def missing(self, now: datetime, ahead: int) -> list[Month]:
        """The months that should be there: from the oldest one, or this one, to ``ahead`` months from now."""
        this = Month.of(now)
        begin = max(self.older) if self.older else min([this, *self.months])
        return [month for month in begin.until(this.later(ahead)) if month not in self.months]


async def partitions(connection: AsyncConnection) -> Partitions:
    """What is there now."""
    return named((await connection.execute(text(PARTITIONS))).scalars().all())


def named(names: Sequence[str]) -> Partitions:
    """What tables of these names hold; names of others are let be."""
    found = [match for name in names if (match := _NAME.fullmatch(name))]
    return Partitions(
        months=tuple(Month(int(match[2]), int(match[3])) for match in found if not match[1]),
        older=tuple(Month(int(match[2]), int(match[3])) for match in found if match[1]),
        partitioned=bool(names),
    )


def older_table(month: Month) -> str:
    """The name of the table that holds what is older than a month."""
    return f"applications_before_{month}"
