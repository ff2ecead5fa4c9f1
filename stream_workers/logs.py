"""Logging of a worker: structlog through the standard library, so that Faust and aiokafka look like our own lines."""

import logging
import logging.config
from typing import Any

import structlog

from contracts.repeats import Repeats
from stream_workers.settings import Settings

# These tell much of what is said elsewhere in fewer words.
_QUIET = ("aiokafka", "faust", "mode", "aiohttp.access", "stream_workers.kafka.batches")
# What these repeat is told once.
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
            "filters": {"repeats": {"()": Repeats, "libraries": _LIBRARIES}},
            "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "line", "filters": ["repeats"]}},
            "root": {"handlers": ["stderr"], "level": settings.log_level},
            "loggers": {name: {"level": _level(settings)} for name in _QUIET},
        }
    )


def _level(settings: Settings) -> str:
    return "DEBUG" if settings.log_level == "DEBUG" else "WARNING"
