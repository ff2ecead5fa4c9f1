"""Two passes: sums of digests by range of ids, then, only where the sums differ, the ids themselves.

A range holds some ten thousand rows, so ten million rows are a thousand pairs of sums. The second pass holds so many
ranges at a time; each group reads the topic once more.
"""

from bisect import bisect_right
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field

from cli.audit.sides import Entry

ROWS_IN_RANGE = 10_000
RANGES_AT_ONCE = 40
EXAMPLES_OF_EACH = 20
_SUM = 1 << 64

Pages = AsyncIterator[Sequence[Entry]]
Note = Callable[[str, int], None]


@dataclass
class Differences:
    """Counts over what both sides still hold; ``examples`` are the first few of each kind, for people.

    ``untold`` are rows that retention may have removed from the topic: of their partition it holds only younger ones.

    ``dead``, ``replayed``, ``erased`` (by `headgate forget`), ``expired`` (by `headgate retention`) and ``foreign`` (no
    row of ours: accepted after the backup that PostgreSQL was restored from, lost in a failover, or another
    producer's) are named, and no drift.
    """

    rows: int = 0
    events: int = 0
    missing: int = 0
    duplicate: int = 0
    differing: int = 0
    dead: int = 0
    replayed: int = 0
    erased: int = 0
    expired: int = 0
    foreign: int = 0
    outside: int = 0
    untold: int = 0
    examples: list[tuple[str, int]] = field(default_factory=list)

    def note(self, what: str, id_: int) -> None:
        setattr(self, what, getattr(self, what) + 1)
        if sum(named == what for named, _ in self.examples) < EXAMPLES_OF_EACH:
            self.examples.append((what, id_))


class Ranges:
    """Consecutive ranges of ids, each with the sum of its rows' digests and that of its events'."""

    def __init__(self, first: int, last: int, *, expired: int = 0) -> None:
        """Lower ids than ``expired`` were removed by age."""
        self.last, self.expired = last, expired
        self.starts, self.rows, self.events, self.many = [first], [0], [0], [0]
        self._filled = 0

    def add_row(self, entry: Entry) -> None:
        """Rows come in order of their ids."""
        if self._filled == ROWS_IN_RANGE:
            self.starts.append(entry.id)
            self.rows.append(0)
            self.events.append(0)
            self.many.append(0)
            self._filled = 0
        self._filled += 1
        self.rows[-1] = (self.rows[-1] + entry.digest) % _SUM

    def add_event(self, entry: Entry) -> None:
        place = bisect_right(self.starts, entry.id) - 1
        self.events[place] = (self.events[place] + entry.digest) % _SUM
        self.many[place] += 1

    def holds(self, id_: int) -> bool:
        return self.starts[0] <= id_ <= self.last

    def differing(self) -> list[tuple[int, int]]:
        """First and last id of each range whose sums differ.

        Where there are far more events than rows (after an old backup was restored), in parts that memory holds.
        """
        ends = [start - 1 for start in self.starts[1:]] + [self.last]
        return [
            part
            for start, end, rows, events, many in zip(self.starts, ends, self.rows, self.events, self.many, strict=True)
            if rows != events
            for part in _parts(start, end, -(-many // (2 * ROWS_IN_RANGE)))
        ]


def _parts(start: int, end: int, count: int) -> list[tuple[int, int]]:
    """Ids are made of time: equal stretches of them hold about as many events each."""
    step = (end - start) // max(count, 1) + 1
    return [(first, min(first + step - 1, end)) for first in range(start, end + 1, step)]


async def sum_up(rows: Pages, events: Callable[[], Pages], ranges: Ranges, skip: set[int]) -> Differences:
    """The first pass. ``skip`` are ids that nobody can judge; they are left out on both sides."""
    found = Differences()
    async for page in rows:
        for entry in page:
            if entry.kind == "untold":
                found.untold += 1
            elif entry.id not in skip:
                found.rows += 1
                ranges.add_row(entry)
    async for page in events():
        for entry in page:
            _tally(entry, ranges, skip, found)
    return found


def _tally(entry: Entry, ranges: Ranges, skip: set[int], found: Differences) -> None:
    if entry.kind == "dead":
        found.dead += 1
    elif entry.kind == "replayed":
        found.replayed += 1
    elif entry.kind == "erased":
        found.erased += 1
    elif entry.id < ranges.expired:
        found.expired += 1
    elif entry.kind != "application" or not ranges.holds(entry.id) or entry.id in skip:
        found.outside += 1
    else:
        found.events += 1
        ranges.add_event(entry)


async def look_closer(rows: Sequence[Pages], events: Pages, skip: set[int], note: Note) -> None:
    """The second pass over some ranges: ``rows`` are their pages, ``events`` those that fall into them.

    ``note`` is told the kind and the id of each difference.
    """
    expected = {
        entry.id: entry.digest
        for pages in rows
        async for page in pages
        for entry in page
        if entry.kind == "application"
    }
    seen: set[int] = set()
    async for page in events:
        for entry in page:
            if entry.kind == "application" and entry.id not in skip:
                _judge(entry, expected.get(entry.id), seen, note)
    for id_ in expected.keys() - seen - skip:
        note("missing", id_)


def _judge(entry: Entry, wanted: int | None, seen: set[int], note: Note) -> None:
    if entry.id in seen:
        note("duplicate", entry.id)
    elif wanted is None:
        note("foreign", entry.id)
    if wanted is not None and entry.digest != wanted:
        note("differing", entry.id)
    seen.add(entry.id)
