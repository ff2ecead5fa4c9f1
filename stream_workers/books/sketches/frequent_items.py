"""Which names come most often: Misra and Gries's counters in their mergeable form (Agarwal and others 2012).

Only ``MOST`` are kept. Where there are more, every count is lowered by the largest of those that have to go: so a count
is too low by at most ``error``, and that by at most the share ``1 / (MOST + 1)`` of all that was counted: 0.52 %.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice
from struct import Struct, error, pack, unpack_from

MOST = 192

# Words of eight bytes before the content, version, family, lg of the largest and of the present table, flags; then how
# many names there are, all that was counted, and the error. Counts follow, then names, each after its length in bytes.
_HEAD = Struct("<6BxxIxxxxQQ")
_EMPTY = b"\x01\x01\x0a\x08\x03\x05\x00\x00"
_VERSION, _FAMILY, _LG_TABLE = 1, 10, 8


@dataclass(frozen=True, slots=True)
class FrequentItems:
    """What is left of the ``total`` that was counted; each true count is at most ``error`` above the kept one."""

    counts: Mapping[str, int] = field(default_factory=dict)
    total: int = 0
    error: int = 0

    def counted(self, counts: Mapping[str, int]) -> "FrequentItems":
        """With further counts."""
        return self.merged(FrequentItems(counts, sum(counts.values())))

    def merged(self, other: "FrequentItems") -> "FrequentItems":
        """Of both."""
        counts = {**self.counts, **other.counts}
        for name in self.counts.keys() & other.counts.keys():
            counts[name] += self.counts[name]
        lowered = 0
        if len(counts) > MOST:
            lowered = sorted(counts.values(), reverse=True)[MOST]
            counts = _lowered(counts, lowered)
        return FrequentItems(counts, self.total + other.total, self.error + other.error + lowered)


def _lowered(counts: Mapping[str, int], by: int) -> dict[str, int]:
    """Those that are left; of those that come down to nothing so many that there are ``MOST`` again."""
    left = {name: count - by for name, count in counts.items() if count > by}
    nothing = (name for name, count in counts.items() if count == by)
    return left | dict.fromkeys(islice(nothing, MOST - len(left)), 0)


def to_bytes(sketch: FrequentItems) -> bytes:
    """As states keep it: the form of Apache DataSketches' sketch of frequent strings."""
    if not sketch.total:
        return _EMPTY
    names, count = [name.encode() for name in sketch.counts], len(sketch.counts)
    head = _HEAD.pack(4, _VERSION, _FAMILY, _LG_TABLE, _LG_TABLE, 0, count, sketch.total, sketch.error)
    counts = pack(f"<{count}Q", *sketch.counts.values())
    return b"".join([head, counts, *(len(name).to_bytes(4, "little") + name for name in names)])


def from_bytes(data: bytes) -> FrequentItems:
    """ValueError if these are no such bytes."""
    if data == _EMPTY:
        return FrequentItems()
    try:
        _, version, family, *_, count, total, too_low = _HEAD.unpack_from(data)
        if (version, family) != (_VERSION, _FAMILY):
            raise ValueError(f"{data[:8].hex()} begins no sketch of active users")
        counts = unpack_from(f"<{count}Q", data, _HEAD.size)
        names = list(_names(data[_HEAD.size + 8 * count :], count))
    except error as problem:
        raise ValueError(f"a sketch of active users is cut: {problem}") from problem
    return FrequentItems(dict(zip(names, counts, strict=True)), total, too_low)


def _names(data: bytes, count: int) -> Iterator[str]:
    start = 0
    for _ in range(count):
        end = start + 4 + unpack_from("<I", data, start)[0]
        if end > len(data):
            raise ValueError("a sketch of active users is cut")
        yield data[start + 4 : end].decode()
        start = end
