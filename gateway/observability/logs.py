"""Logging of the gateway: each line names the request, and its trace, in whose context it was written.

Successes are counted, not logged.
"""

from collections.abc import MutableMapping
from typing import Any

from gateway.admission import request_id
from gateway.observability import tracing
from gateway.settings import Settings
from runtime import logs

# Libraries: their chatter is for DEBUG, and what they repeat is told once.
_LIBRARIES = ("aiokafka", "asyncio", "opentelemetry", "redis", "sqlalchemy", "uvicorn")

# What a peer can bring about with every connection is told once, too.
_REPEATED = (*_LIBRARIES, "gateway.announced")


def configure_logs(settings: Settings) -> None:
    """As the settings say, for the whole process."""
    logs.configure(settings, quiet=_LIBRARIES, libraries=_REPEATED, add=[_request])


def _request(_: Any, __: str, fields: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    if (name := request_id.current.get()) != "-":
        fields.setdefault("request_id", name)
    if (trace := tracing.current.get()) is not None:
        fields.setdefault("trace_id", trace)
    return fields
