"""Logging of the gateway: structlog through the standard library, so that every library's lines look like our own.

Successes are counted, not logged.
"""

import logging
import logging.config
from collections.abc import MutableMapping
from typing import Any

import structlog

from contracts.repeats import Repeats
from gateway.admission import request_id
from gateway.observability import tracing
from gateway.settings import Settings

# Libraries: their chatter is for DEBUG, and what they repeat is told once.
_LIBRARIES = ("aiokafka", "asyncio", "opentelemetry", "redis", "sqlalchemy", "uvicorn")


def configure_logs(settings: Settings) -> None:
    """One line for each event on standard error: JSON or for people, as LOG_FORMAT says."""
    logging.config.dictConfig(
        {
            "version": 1,
            "disable_existing_loggers": False,
            "filters": {"repeats": {"()": Repeats, "libraries": _LIBRARIES}},
            "formatters": {"line": {"()": _formatter, "form": settings.log_format}},
            "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "line", "filters": ["repeats"]}},
            "root": {"handlers": ["stderr"], "level": settings.log_level},
            "loggers": {name: {"level": _level(settings)} for name in _LIBRARIES},
        }
    )


def _formatter(form: str) -> logging.Formatter:
    renderer: Any = (
        structlog.processors.JSONRenderer() if form == "json" else structlog.dev.ConsoleRenderer(colors=False)
    )
    return structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=[
            structlog.stdlib.add_log_level,
            structlog.stdlib.add_logger_name,
            structlog.stdlib.ExtraAdder(),
            _request,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
        ],
        processors=[
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            structlog.processors.format_exc_info,
            renderer,
        ],
    )


def _request(_: Any, __: str, fields: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Name the request, and its trace, in whose context the line was written."""
    if (name := request_id.current.get()) != "-":
        fields.setdefault("request_id", name)
    if (trace := tracing.current.get()) is not None:
        fields.setdefault("trace_id", trace)
    return fields


def _level(settings: Settings) -> str:
    return "DEBUG" if settings.log_level == "DEBUG" else "WARNING"
