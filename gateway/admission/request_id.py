"""The name of one request, in its answer and in the log."""

import itertools
import re
import secrets
from collections.abc import Callable
from contextvars import ContextVar

# What a caller may choose: harmless in a log line, a header and a URL.
_SANE = re.compile(rb"[A-Za-z0-9._:-]{1,64}")

current: ContextVar[str] = ContextVar("request_id", default="-")


def generator(prefix: str | None = None) -> Callable[[], str]:
    """A source of ids: unique for a process by its random prefix, then counted."""
    start = prefix or secrets.token_hex(6)
    numbers = itertools.count(1)
    return lambda: f"{start}-{next(numbers):x}"


def accepted(header: bytes | None) -> str | None:
    """The caller's own id if it is sane, else None."""
    return header.decode() if header and _SANE.fullmatch(header) else None
