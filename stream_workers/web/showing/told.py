"""A finding in words: what it is, what it means, what to do."""

from collections.abc import Mapping
from typing import Any

from markupsafe import Markup

from stream_workers.web.showing.formats import Formats, number
from stream_workers.web.showing.wording import Words

_NUMBERS = {"shown": "n", "lag": "lag", "waiting": "waiting"}
_AS_THEY_ARE = ("partitions", "instance", "brokers", "reason")


def told(words: Words, formats: Formats, code: str, values: Mapping[str, Any], part: str = "") -> Markup:
    """Its headline; with ``part`` ``-meaning`` or ``-todo`` the rest."""
    numbers = {name: number(values.get(key)) for name, key in _NUMBERS.items()}
    others = {name: values.get(name) for name in _AS_THEY_ARE}
    kind = words(f"kind.{values['kind']}") if "kind" in values else None
    span = formats.span(values.get("seconds"))
    return words(f"finding.{code}{part}", n=values.get("n", 0), span=span, kind=kind, **numbers, **others)
