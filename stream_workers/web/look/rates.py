"""How fast each partition is counted, from how far it got over the last seconds."""

from collections import deque
from collections.abc import Mapping

WINDOW_SECONDS = 10.0


class Rates:
    """Keeps the positions of the last looks; a pause in looking starts it anew."""

    def __init__(self) -> None:
        self._seen: deque[tuple[float, Mapping[int, int | None]]] = deque()

    def of(self, now: float, offsets: Mapping[int, int | None]) -> dict[int, float]:
        """Events per second of each partition; those whose rate is not known yet are left out."""
        if self._seen and now - self._seen[-1][0] > WINDOW_SECONDS:
            self._seen.clear()
        self._seen.append((now, offsets))
        while len(self._seen) > 2 and now - self._seen[1][0] >= WINDOW_SECONDS:
            self._seen.popleft()
        then, before = self._seen[0]
        if now - then < 1.0:
            return {}
        moved = {partition: _moved(before.get(partition), offset) for partition, offset in offsets.items()}
        return {partition: events / (now - then) for partition, events in moved.items() if events is not None}


def _moved(before: int | None, offset: int | None) -> int | None:
    """None where it is not known, or where a rebuild went back."""
    if offset is None or before is None or offset < before:
        return None
    return offset - before
