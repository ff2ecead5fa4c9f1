"""Logging of a service: structlog through the standard library, so that every library's lines look like our own."""

import logging.config
from collections.abc import Callable, Sequence
from typing import Any

import structlog

from runtime.repeats import Repeats
from runtime.settings import ServiceSettings

Processor = Callable[[Any, str, Any], Any]


def configure(
    settings: ServiceSettings, *, quiet: Sequence[str], libraries: Sequence[str], add: Sequence[Processor] = ()
) -> None:
    """One line for each event on standard error: JSON or for people, as LOG_FORMAT says.

    ``quiet`` loggers tell below WARNING only at DEBUG; what ``libraries`` repeat is told once; ``add`` are structlog
    processors that say more of each line.
    """
    quietly = "DEBUG" if settings.log_level == "DEBUG" else "WARNING"
    logging.config.dictConfig(
        {
            "version": 1,
            "disable_existing_loggers": False,
            "filters": {"repeats": {"()": Repeats, "libraries": tuple(libraries)}},
            "formatters": {"line": {"()": _formatter, "form": settings.log_format, "add": tuple(add)}},
            "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "line", "filters": ["repeats"]}},
            "root": {"handlers": ["stderr"], "level": settings.log_level},
            "loggers": {name: {"level": quietly} for name in quiet},
        }
    )


def _formatter(form: str, add: Sequence[Processor]) -> logging.Formatter:
    renderer: Any = (
        structlog.processors.JSONRenderer() if form == "json" else structlog.dev.ConsoleRenderer(colors=False)
    )
    return structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=[
            structlog.stdlib.add_log_level,
            structlog.stdlib.add_logger_name,
            structlog.stdlib.ExtraAdder(),
            *add,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
        ],
        processors=[
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            structlog.processors.format_exc_info,
            renderer,
        ],
    )
