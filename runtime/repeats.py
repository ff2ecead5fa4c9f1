"""In an outage libraries repeat themselves with every attempt: both services tell such a line once, while it comes."""

import logging
import time
from collections.abc import Callable

REPEAT_SECONDS = 60.0
_REMEMBERED_MAX = 1_000


class Repeats(logging.Filter):
    """Lets a warning of these ``libraries`` (logger names) pass unless the same one came within the last minute."""

    def __init__(self, libraries: tuple[str, ...], clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._libraries = libraries
        self._clock = clock
        self._seen: dict[tuple[str, int, str], float] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        if record.levelno < logging.WARNING or not record.name.startswith(self._libraries):
            return True
        # The text of the call, not of the line: addresses and attempts in it differ from line to line.
        key = record.name, record.levelno, str(record.msg)
        now, before = self._clock(), self._seen.get(key)
        if len(self._seen) >= _REMEMBERED_MAX:
            self._seen.clear()
        self._seen[key] = now
        return before is None or now - before >= REPEAT_SECONDS
