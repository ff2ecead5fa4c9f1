"""Dead letters: what could not be read, why, and where it was; each can be sent again once it can be read."""

import json
from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from typing import Any

import orjson

from contracts import Topics
from stream_workers.broker import Broker
from stream_workers.dead_letters import Origin
from stream_workers.redrive import Letter, read_letters

SHOWN = 100
PREVIEW = 120


class Letters:
    """The dead letters of the topic; read again only when something was added."""

    def __init__(self, bootstrap: str, topics: Topics, broker: Broker) -> None:
        self._bootstrap = bootstrap
        self._topics = topics
        self._broker = broker
        self._known: tuple[dict[int, int], list[Letter]] | None = None

    async def all(self) -> list[Letter]:
        """Newest first; raises KafkaAwayError."""
        topic = self._topics.dead_letters
        ends = await self._broker.end_offsets(topic, await self._broker.partitions(topic))
        if self._known is None or self._known[0] != ends:
            found = await read_letters(self._bootstrap, self._topics)
            self._known = (ends, sorted(found, key=lambda letter: letter.dead.time, reverse=True))
        return self._known[1]

    async def one(self, origin: Origin) -> Letter | None:
        return next((letter for letter in await self.all() if letter.dead.origin == origin), None)


def dead_letters(letters: Sequence[Letter] | None, *, reason: str, state: str) -> dict[str, Any]:
    """The facts of the page and of its JSON; ``letters`` None: Kafka does not answer."""
    known = letters or ()
    wanted = [letter for letter in known if reason in {"", letter.dead.reason} and state in {"", letter.state}]
    return {
        "known": letters is not None,
        "reason": reason,
        "state": state,
        "reasons": dict(Counter(letter.dead.reason for letter in known).most_common()),
        "count": len(known) if letters is not None else None,
        "matching": len(wanted),
        "waiting_and_readable": sum(1 for letter in known if letter.state != "redriven" and not letter.unreadable),
        "letters": [summary(letter) for letter in wanted[:SHOWN]],
    }


def summary(letter: Letter) -> dict[str, Any]:
    """One line of the list."""
    dead = letter.dead
    return {
        "topic": dead.origin.topic,
        "partition": dead.origin.partition,
        "offset": dead.origin.offset,
        "reason": dead.reason,
        "detail": dead.detail,
        "at": instant(dead.time),
        "state": letter.state,
        "bytes": len(dead.value) if dead.value is not None else None,
        "preview": shown(dead.value, at_most=PREVIEW),
    }


def instant(text: str) -> float | None:
    """RFC 3339 as seconds since 1970; None for what is not: headers may come from anybody."""
    try:
        return datetime.fromisoformat(text).timestamp()
    except ValueError:
        return None


def whole(letter: Letter) -> dict[str, Any]:
    """Everything about one letter."""
    dead = letter.dead
    return summary(letter) | {
        "key": shown(dead.key, at_most=1_000),
        "cut": dead.cut,
        "unreadable": letter.unreadable,
        "headers": [{"name": name, "value": shown(value, at_most=1_000)} for name, value in dead.headers],
        "value": pretty(dead.value),
    }


def shown(value: bytes | None, *, at_most: int) -> str | None:
    """Bytes as text that cannot break a page: control characters escaped, what is not UTF-8 as ``\\xNN``."""
    if value is None:
        return None
    text = value[: at_most * 4].decode("utf-8", "backslashreplace")
    visible = "".join(sign if sign.isprintable() else repr(sign)[1:-1] for sign in text[:at_most])
    return visible + ("…" if len(text) > at_most or len(value) > at_most * 4 else "")


def pretty(value: bytes | None) -> str | None:
    """The payload to read: JSON with line breaks where it is JSON, else as ``shown``, at most 64 KB."""
    if value is None:
        return None
    try:
        parsed = orjson.loads(value)
    except orjson.JSONDecodeError:
        return shown(value, at_most=65_536)
    return json.dumps(parsed, indent=2, ensure_ascii=False)[:65_536]
