"""The metrics worker's books against the topic: counted + dead + replayed + missing = last - first + 1."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from contracts import Topics
from stream_workers.states import Totals, metrics_totals


@dataclass
class Counted:
    """Sums over the partitions. ``behind`` is what the worker has not come to yet: lag, no drift."""

    counted: int = 0
    dead: int = 0
    replayed: int = 0
    missing: int = 0
    behind: int = 0
    drift: int = 0

    def to_fields(self) -> dict[str, Any]:
        return asdict(self)


async def counted(bootstrap: str, topics: Topics, stretches: Mapping[int, tuple[int, int]]) -> Counted | None:
    """None until the worker has begun; ``stretches`` are the topic's first and end offsets."""
    totals = await metrics_totals(bootstrap, topics)
    if not totals:
        return None
    found = Counted()
    for partition, (start, end) in stretches.items():
        _add(found, totals.get(partition), start, end)
    return found


def _add(found: Counted, booked: Totals | None, start: int, end: int) -> None:
    if booked is None:
        found.behind += end - start
        return
    found.counted += booked.counted
    found.dead += booked.dead
    found.replayed += booked.replayed
    found.missing += booked.missing
    found.behind += max(0, end - 1 - booked.last)
    held = booked.counted + booked.dead + booked.replayed + booked.missing
    found.drift += abs(booked.last - booked.first + 1 - held) + max(0, booked.first - start)
