"""Dead letters: what could not be read, why, and where it was; each can be sent again once it can be read."""

import asyncio
import json
import time
from codecs import getincrementaldecoder
from collections import OrderedDict
from collections.abc import Callable, Coroutine, Hashable, Mapping, Sequence
from datetime import datetime
from functools import partial
from typing import Any

import orjson
from aiokafka.errors import KafkaError

from contracts import Topics
from runtime.kafka.clients import Kafka
from stream_workers.errors import KafkaAwayError
from stream_workers.kafka.broker import Broker
from stream_workers.letters.dead_letters import Origin
from stream_workers.letters.letters import Letter, Limits, Positions, newest_letters, with_all_marks
from stream_workers.web.look.apart import Apart

PREVIEW = 120
# What a page shows of a letter at most; headers may come from anybody.
PAYLOAD, FIELD, HEADERS = 65_536, 1_000, 100
# How often the topic is looked at for something new, and how often it is read again, whoever asks.
LOOK_SECONDS, READ_SECONDS = 2.0, 5.0
PATIENCE_SECONDS = 3.0
# Before letters are sent the topic is read as a whole; where that takes longer, the command is the way.
WHOLE_SECONDS = 60.0
KEPT = 32

Facts = dict[str, Any]

_UNREAD: Facts = {
    "fresh": False,
    "read_at": None,
    "older": None,
    "certain": True,
    "looked_at": 0,
    "records": None,
    "sendable": 0,
    "letters": [],
}


class Letters:
    """Pages of the dead-letter topic; what was read is kept, and read again only when something was added."""

    def __init__(
        self, kafka: Kafka, topics: Topics, broker: Broker, *, apart: Apart, clock: Callable[[], float] = time.time
    ) -> None:
        self._kafka = kafka
        self._topics = topics
        self._broker = broker
        self._apart = apart
        self._clock = clock
        self._ends: Positions = {}
        self._looked_at = 0.0
        self._kept: OrderedDict[Hashable, tuple[Positions, float, Facts]] = OrderedDict()
        self._one_by_one = asyncio.Lock()

    async def page(self, *, before: str, reason: str, state: str) -> Facts | None:
        """One page of the list, newest first; None when Kafka does not answer."""
        return await self._known((before, reason, state), partial(self._page, before, reason, state))

    async def one(self, origin: Origin, *, before: str) -> Facts | None:
        """A single letter, looked for from a position on; None when Kafka does not answer."""
        return await self._known((before, origin), partial(self._one, origin, before))

    async def sendable(self, origin: Origin | None, *, before: str, reason: str, state: str) -> list[Letter]:
        """What can be sent again, of the one letter or of the page, as the whole topic says now.

        Raises KafkaAwayError, and TimeoutError where the topic is too long to be read.
        """
        wanted = partial(_chosen, reason=reason, state=state) if origin is None else partial(_is_from, origin)
        limits = Limits() if origin is None else Limits(found=1)
        read = await newest_letters(
            self._kafka, self._topics, before=positions_of(before), wanted=wanted, limits=limits
        )
        chosen = sendable_of(read.letters)
        if not chosen:
            return []
        async with asyncio.timeout(WHOLE_SECONDS):
            letters = await with_all_marks(self._kafka, self._topics, chosen)
        return [letter for letter in letters if is_waiting(letter)]

    def forget(self) -> None:
        """Read all anew: something was sent."""
        self._kept.clear()
        self._looked_at = 0.0

    async def _known(self, key: Hashable, read: Callable[[], Coroutine[Any, Any, Facts]]) -> Facts | None:
        async with self._one_by_one:
            kept = self._kept.get(key)
            try:
                async with asyncio.timeout(PATIENCE_SECONDS):
                    ends = await self._asked()
                if kept is None or (kept[0] != ends and self._clock() - kept[1] >= READ_SECONDS):
                    kept = (ends, self._clock(), await self._apart(read))
            except (KafkaError, KafkaAwayError, OSError):
                return kept and kept[2] | {"fresh": False, "read_at": self._looked_at}
            self._kept[key] = kept
            self._kept.move_to_end(key)
            while len(self._kept) > KEPT:
                self._kept.popitem(last=False)
            return kept[2] | {"fresh": True, "read_at": self._looked_at}

    async def _asked(self) -> Positions:
        if self._clock() - self._looked_at >= LOOK_SECONDS:
            topic = self._topics.dead_letters
            self._ends = await self._broker.end_offsets(topic, await self._broker.partitions(topic))
            self._looked_at = self._clock()
        return self._ends

    async def _page(self, before: str, reason: str, state: str) -> Facts:
        wanted = partial(_chosen, reason=reason, state=state)
        read = await newest_letters(self._kafka, self._topics, before=positions_of(before), wanted=wanted)
        return {
            "here": text_of(read.begins),
            "older": text_of(read.older) if read.older else None,
            "certain": read.certain,
            "looked_at": read.looked_at,
            "records": read.records,
            "sendable": len(sendable_of(read.letters)),
            "letters": [summary(letter) for letter in read.letters],
        }

    async def _one(self, origin: Origin, before: str) -> Facts:
        wanted, limits = partial(_is_from, origin), Limits(found=1)
        read = await newest_letters(
            self._kafka, self._topics, before=positions_of(before), wanted=wanted, limits=limits
        )
        head = {"partition": origin.partition, "offset": origin.offset, "here": text_of(read.begins)}
        sought = {
            "found": bool(read.letters),
            "older": text_of(read.older) if read.older else None,
            "looked_at": read.looked_at,
        }
        return head | sought | (whole(read.letters[0]) if read.letters else {})


def dead_letters(page: Facts | None, asked: Mapping[str, str], *, reasons: Mapping[str, int], count: int) -> Facts:
    """The facts of the page and of its JSON; ``page`` None: Kafka does not answer. The counts are the table's."""
    counted = reasons.get(asked["reason"], 0) if asked["reason"] else count
    return {
        "known": page is not None,
        **asked,
        "reasons": dict(sorted(reasons.items(), key=lambda pair: -pair[1])),
        "count": count,
        "matching": None if asked["state"] else counted,
        **(page or _UNREAD | {"here": asked["before"]}),
    }


def positions_of(text: str) -> Positions | None:
    """A position as it stands in an address: the offset of each partition, with dots between; None for the newest."""
    parts = text.split(".")
    if not all(part.isascii() and part.isdigit() and len(part) < 19 for part in parts):
        return None
    return dict(enumerate(map(int, parts)))


def text_of(positions: Positions) -> str:
    return ".".join(str(positions.get(number, 0)) for number in range(max(positions, default=-1) + 1))


def sendable_of(letters: Sequence[Letter]) -> list[Letter]:
    """Those that wait, and would be read this time."""
    return [letter for letter in letters if is_waiting(letter) and not letter.unsendable and not letter.unreadable]


def is_waiting(letter: Letter) -> bool:
    return letter.state in {"waiting", "intended"}


def _chosen(letter: Letter, *, reason: str, state: str) -> bool:
    return reason in {"", letter.dead.reason} and state in {"", letter.state}


def _is_from(origin: Origin, letter: Letter) -> bool:
    return letter.dead.origin.place == origin.place


def summary(letter: Letter) -> Facts:
    """One line of the list."""
    dead = letter.dead
    return {
        "topic": dead.origin.topic[:FIELD],
        "partition": dead.origin.partition,
        "offset": dead.origin.offset,
        "reason": dead.reason[:FIELD],
        "detail": dead.detail[:FIELD],
        "at": instant(dead.time),
        "state": letter.state,
        "bytes": len(dead.value) if dead.value is not None else None,
        "preview": shown(dead.value, at_most=PREVIEW),
    }


def instant(text: str) -> float | None:
    """RFC 3339 as seconds since 1970; None for what is not: headers may come from anybody."""
    try:
        return datetime.fromisoformat(text).timestamp()
    except (ValueError, OverflowError):
        return None


def whole(letter: Letter) -> Facts:
    """Everything about one letter."""
    dead = letter.dead
    unreadable = letter.unreadable or letter.unsendable
    return summary(letter) | {
        "key": shown(dead.key, at_most=FIELD),
        "cut": dead.cut,
        "unreadable": unreadable and unreadable[:FIELD],
        "headers": [
            {"name": shown(name.encode(errors="surrogateescape"), at_most=FIELD), "value": shown(value, at_most=FIELD)}
            for name, value in dead.headers[:HEADERS]
        ],
        "headers_in_all": len(dead.headers),
        "value": pretty(dead.value),
    }


def shown(value: bytes | None, *, at_most: int) -> str | None:
    """Bytes as text that cannot break a page: control characters escaped, what is not UTF-8 as ``\\xNN``."""
    if value is None:
        return None
    text = _decoded(value, more_than=at_most)
    visible = "".join(sign if sign.isprintable() else repr(sign)[1:-1] for sign in text[:at_most])
    return visible + ("…" if len(text) > at_most else "")


def _decoded(value: bytes, *, more_than: int) -> str:
    """As text, no further than until there are more signs than this: four of them for a byte that is no UTF-8."""
    decoder = getincrementaldecoder("utf-8")("backslashreplace")
    text, size = [], 0
    for start in range(0, len(value), more_than):
        text.append(decoder.decode(value[start : start + more_than], final=start + more_than >= len(value)))
        size += len(text[-1])
        if size > more_than:
            break
    return "".join(text)


def pretty(value: bytes | None) -> str | None:
    """The payload to read: JSON with line breaks where it is JSON that is not too long, else as ``shown``."""
    if value is None:
        return None
    return (_shaped(value) if len(value) <= PAYLOAD else None) or shown(value, at_most=PAYLOAD)


def _shaped(value: bytes) -> str | None:
    """Made only as far as it is shown: deep brackets become a thousand times as long. None for what is no JSON."""
    made: list[str] = []
    size = 0
    try:
        for piece in json.JSONEncoder(indent=2, ensure_ascii=False).iterencode(orjson.loads(value)):
            made.append(piece)
            size += len(piece)
            if size >= PAYLOAD:
                break
    except orjson.JSONDecodeError:
        return None
    return "".join(made)[:PAYLOAD]
