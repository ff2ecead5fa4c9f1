"""Logging of a worker: structlog through the standard library, so that Faust and aiokafka look like our own lines."""

import logging
import logging.config
import time
from collections.abc import Callable
from typing import Any

import structlog

from stream_workers.settings import Settings

# These tell much of what is said elsewhere in fewer words.
_QUIET = ("aiokafka", "faust", "mode", "aiohttp.access", "stream_workers.batches")


# In an outage libraries repeat themselves with every attempt.
REPEAT_SECONDS = 60.0
_REMEMBERED_MAX = 1_000
_LIBRARIES = ("aiohttp", "aiokafka", "asyncio", "faust", "mode", "opentelemetry")


def configure_logs(settings: Settings) -> None:
    """One line for each event on standard error: JSON or for people, as LOG_FORMAT says."""
    shared: list[Any] = [
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.ExtraAdder(),
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    renderer: Any = (
        structlog.processors.JSONRenderer()
        if settings.log_format == "json"
        else structlog.dev.ConsoleRenderer(colors=False)
    )
    logging.config.dictConfig(
        {
            "version": 1,
            "disable_existing_loggers": False,
            "formatters": {
                "line": {
                    "()": structlog.stdlib.ProcessorFormatter,
                    "foreign_pre_chain": shared,
                    "processors": [
                        structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                        structlog.processors.format_exc_info,
                        renderer,
                    ],
                }
            },
            "filters": {"repeats": {"()": Repeats}},
            "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "line", "filters": ["repeats"]}},
            "root": {"handlers": ["stderr"], "level": settings.log_level},
            "loggers": {name: {"level": _level(settings)} for name in _QUIET},
        }
    )


def _level(settings: Settings) -> str:
    return "DEBUG" if settings.log_level == "DEBUG" else "WARNING"


class Repeats(logging.Filter):
    """Lets a library's warning pass unless the same one came within the last minute."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._clock = clock
        self._seen: dict[tuple[str, int, str], float] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        if record.levelno < logging.WARNING or not record.name.startswith(_LIBRARIES):
            return True
        # The text of the call, not of the line: addresses and attempts in it differ from line to line.
        key = record.name, record.levelno, str(record.msg)
        now, before = self._clock(), self._seen.get(key)
        if len(self._seen) >= _REMEMBERED_MAX:
            self._seen.clear()
        self._seen[key] = now
        return before is None or now - before >= REPEAT_SECONDS
