"""Something that comes and goes all the time must not push out what else happened: so many of a kind in an hour."""

from collections import Counter
from collections.abc import Iterable

from stream_workers.chronicle.happened import Happened

KIND_MAX = 30
_HOUR = 3600


class Damping:
    """Lets the first of each kind in an hour through; of the rest the next hour tells how many there were."""

    def __init__(self) -> None:
        self._hour = 0
        self._through: Counter[str] = Counter()
        self._held: Counter[str] = Counter()

    def through(self, happened: Iterable[Happened], now: float) -> list[Happened]:
        """What may be written of it."""
        told = self._turned(now)
        for each in happened:
            self._through[each.kind] += 1
            if self._through[each.kind] <= KIND_MAX:
                told.append(each)
            else:
                self._held[each.kind] += 1
        return told

    def _turned(self, now: float) -> list[Happened]:
        if int(now // _HOUR) == self._hour:
            return []
        told = [Happened(now, "held-back", {"n": count, "of": kind}) for kind, count in sorted(self._held.items())]
        self._hour = int(now // _HOUR)
        self._through.clear()
        self._held.clear()
        return told
