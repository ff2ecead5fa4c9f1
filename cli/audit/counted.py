"""Both workers' books against the topic: what they booked = last - first + 1, on every partition."""

from collections.abc import Mapping
from dataclasses import dataclass

from contracts import Topics
from stream_workers.books.states import journal_positions, metrics_totals


@dataclass
class Booked:
    """Sums over the partitions; ``counts`` by name are what was done with an offset, ``missing`` among them.

    ``behind`` is what the worker has not come to yet: lag, no drift. ``before_first`` are offsets that were gone from
    the topic before the worker first looked.
    """

    counts: dict[str, int]
    before_first: int = 0
    behind: int = 0
    drift: int = 0

    def to_fields(self) -> dict[str, int]:
        rest = {"before_first": self.before_first, "behind": self.behind, "drift": self.drift}
        return self.counts | rest


@dataclass(frozen=True)
class Span:
    """The books of one partition."""

    first: int
    last: int
    counts: Mapping[str, int]


Stretches = Mapping[int, tuple[int, int]]


async def counted(bootstrap: str, topics: Topics, stretches: Stretches) -> Booked | None:
    """The metrics worker's; None until it has begun. ``stretches`` are the topic's first and end offsets."""
    names = ("counted", "dead", "replayed", "missing")
    totals = await metrics_totals(bootstrap, topics)
    spans = {p: Span(t.first, t.last, {name: getattr(t, name) for name in names}) for p, t in totals.items()}
    return _sum(names, spans, stretches)


async def journaled(bootstrap: str, topics: Topics, stretches: Stretches) -> Booked | None:
    """The journal's; None until it has begun."""
    names = ("logged", "unreadable", "missing")
    positions = await journal_positions(bootstrap, topics)
    spans = {
        p: Span(held.first, held.last_offset, {name: getattr(held, name) for name in names})
        for p, held in positions.items()
    }
    return _sum(names, spans, stretches)


def _sum(names: tuple[str, ...], spans: Mapping[int, Span], stretches: Stretches) -> Booked | None:
    if not spans:
        return None
    found = Booked(dict.fromkeys(names, 0))
    for partition, (start, end) in stretches.items():
        _add(found, spans.get(partition, Span(start, start - 1, {})), start, end)
    return found


def _add(found: Booked, span: Span, start: int, end: int) -> None:
    for name, count in span.counts.items():
        found.counts[name] += count
    found.before_first += span.first
    found.behind += max(0, end - 1 - span.last)
    found.drift += abs(span.last - span.first + 1 - sum(span.counts.values())) + max(0, span.first - start)
