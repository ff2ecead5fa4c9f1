"""The lines that the journal wrote, held against its books: each offset that it covers has one, some have more."""

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from contracts import Topics
from runtime.kafka.clients import Kafka
from stream_workers.books.journal import Position
from stream_workers.books.states import journal_positions

# Both forms of a line, JSON and console; partition and offset stand side by side in either.
_PLACE = re.compile(rb'\bpartition(?:":|=)(\d+)(?:,"| )offset(?:":|=)(\d+)[ ,}].*\n')


@dataclass(frozen=True)
class Lines:
    """``repeated`` lines come after a crash and are no drift; ``absent`` are offsets without one, since the first."""

    lines: int
    repeated: int
    absent: int

    def to_fields(self) -> dict[str, int]:
        return asdict(self)


async def journal_lines(kafka: Kafka, topics: Topics, files: Sequence[Path]) -> Lines | None:
    """What these files hold, of what the journal says that it has written; None without files."""
    if not files:
        return None
    positions = await journal_positions(kafka, topics)
    return compare((line for file in files for line in _read(file)), positions)


def compare(lines: Iterable[bytes], positions: Mapping[int, Position]) -> Lines:
    """One bit of memory for each offset. A line that was cut off by a kill is none: it came again."""
    seen: dict[int, bytearray] = defaultdict(bytearray)
    lowest: dict[int, int] = {}
    count = repeated = 0
    for line in lines:
        if found := _PLACE.search(line):
            partition, offset = int(found[1]), int(found[2])
            count += 1
            repeated += _noted(seen[partition], offset)
            lowest[partition] = min(offset, lowest.get(partition, offset))
    absent = 0
    for partition, held in positions.items():
        if partition in lowest:
            absent += max(0, _absent(seen[partition], lowest[partition], held.last_offset) - held.missing)
        else:
            absent += held.logged + held.unreadable
    return Lines(count, repeated, absent)


def _noted(bits: bytearray, offset: int) -> bool:
    """Set an offset's bit; whether it was set already."""
    place, bit = offset >> 3, 1 << (offset & 7)
    if place >= len(bits):
        bits.extend(bytes(place + 1 - len(bits)))
    before = bool(bits[place] & bit)
    bits[place] |= bit
    return before


def _absent(bits: bytearray, first: int, last: int) -> int:
    """How many offsets from ``first`` to ``last`` have no line."""
    whole = int.from_bytes(bits, "little") >> first
    wanted = max(0, last - first + 1)
    return wanted - (whole & ((1 << wanted) - 1)).bit_count()


def _read(file: Path) -> Iterable[bytes]:
    with file.open("rb") as lines:
        yield from lines
