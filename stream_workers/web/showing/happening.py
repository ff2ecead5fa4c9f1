"""What happened in words: those of its kind, filled in with what is known of it."""

from collections.abc import Mapping
from typing import Any
from zoneinfo import ZoneInfo

from markupsafe import Markup, escape

from stream_workers.web.showing.formats import UNKNOWN, Formats, number
from stream_workers.web.showing.preferences import Language
from stream_workers.web.showing.wording import Words


def told(kind: str, values: Mapping[str, Any], language: Language) -> Markup:
    """A kind that only a later version knows is told by its name; whatever the values are, this returns."""
    words, key = Words(language), f"happened.{kind}"
    if key not in words:
        return escape(kind)
    n, seconds = values.get("n"), values.get("seconds")
    worker = f"kind.{values.get('worker')}"
    return words(
        key,
        n=n if type(n) is int else 0,
        shown=number(n if type(n) is int else None),
        span=Formats(language, ZoneInfo("UTC")).span(seconds if isinstance(seconds, int | float) else None),
        worker=words(worker) if worker in words else values.get("worker", UNKNOWN),
        of=values.get("of") or UNKNOWN,
        **{name: values.get(name) or UNKNOWN for name in ("instance", "name", "reason", "brokers", "partitions")},
        **{name: values.get(name) or UNKNOWN for name in ("version", "before")},
    )
