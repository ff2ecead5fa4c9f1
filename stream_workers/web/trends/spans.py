"""The spans of time that a reader chooses from, and the points in each of them."""

from dataclasses import dataclass

from stream_workers.books.series import DAY, HOUR, MINUTE
from stream_workers.books.sketches.latencies import FIVE_MINUTES

CHART_SECONDS = 900


@dataclass(frozen=True)
class Span:
    """``rate`` and ``latency`` are the widths of its points in milliseconds.

    ``back`` is how many seconds earlier the former one was, in points of ``former`` milliseconds; 0 where none is kept.
    ``again``: what was merged for it is good for so many seconds.
    """

    seconds: int
    rate: int
    latency: int
    back: int
    former: int
    again: float

    def points(self, width: int, now: float) -> list[tuple[int, float]]:
        """Numbers of the windows, each with its middle; of the open one the middle of what is over."""
        last = int(now * 1000) // width
        return [
            (number, (number * width + min(width, now * 1000 - number * width) / 2) / 1000)
            for number in range(last - self.seconds * 1000 // width + 1, last + 1)
        ]

    def before(self, at: float) -> int | None:
        """The window of the span before that an instant is compared with; None where there is none."""
        return int((at - self.back) * 1000) // self.former if self.back else None


_DAY_SECONDS = 86_400
SPANS = {
    "15m": Span(CHART_SECONDS, MINUTE, FIVE_MINUTES, _DAY_SECONDS, HOUR, 5),
    "2h": Span(7_200, MINUTE, FIVE_MINUTES, _DAY_SECONDS, HOUR, 5),
    "24h": Span(_DAY_SECONDS, HOUR, HOUR, _DAY_SECONDS, HOUR, 20),
    "7d": Span(7 * _DAY_SECONDS, HOUR, HOUR, 7 * _DAY_SECONDS, DAY, 30),
    "13mo": Span(396 * _DAY_SECONDS, DAY, DAY, 0, DAY, 60),
}
CHOSEN = "24h"
