"""Trace: one application's way by its id, from PostgreSQL over the topic to the counters."""

import asyncio
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any
from uuid import UUID

from aiokafka.errors import KafkaError

from contracts import Topics, id_of, milliseconds_of
from runtime.kafka.clients import Kafka
from stream_workers.errors import KafkaAwayError
from stream_workers.kafka.events import Bad, read
from stream_workers.kafka.reader import batches, bounds
from stream_workers.web.look.apart import Apart
from stream_workers.web.look.board import Look
from stream_workers.web.look.gateways import Stored

SEARCH_SECONDS = 8.0
SEARCHED_MAX = 50_000
# Clocks of gateways and brokers differ a little; the search begins this long before the id's own time.
BEFORE_MS = 5_000
KEPT = 500
AGAIN_SECONDS = 5.0


@dataclass(frozen=True)
class Found:
    """Where an event is on the topic; ``offset`` None: not among the ``searched`` records since its id's time.

    ``whole`` is false when the search ended before the topic did; ``reached``: how far it got on each partition.
    """

    partition: int | None
    offset: int | None
    published_at: float | None
    searched: int
    whole: bool
    looked_at: float
    reached: Mapping[int, int] = field(default_factory=dict)


class Traces:
    """Searches the topic for an id, once for each id that is there."""

    def __init__(self, kafka: Kafka, topics: Topics, *, apart: Apart, clock: Callable[[], float] = time.time) -> None:
        self._kafka = kafka
        self._topic = topics.applications
        self._apart = apart
        self._clock = clock
        self._found: OrderedDict[UUID, Found] = OrderedDict()
        self._one_by_one = asyncio.Lock()

    async def find(self, id_: UUID) -> Found | None:
        """Where it is; None when Kafka does not answer."""
        async with self._one_by_one:
            known = self._found.get(id_)
            if known and (known.offset is not None or self._clock() - known.looked_at < AGAIN_SECONDS):
                return known
            try:
                found = await self._apart(partial(self._search, id_, known))
            except (KafkaError, KafkaAwayError, OSError):
                return None
            self._found[id_] = found
            while len(self._found) > KEPT:
                self._found.popitem(last=False)
            return found

    async def at(self, partition: int, offset: int) -> UUID | None:
        """The id of the application at this place; None if none is known to be there."""
        try:
            return await self._apart(partial(self._at, partition, offset))
        except (KafkaError, KafkaAwayError, OSError):
            return None

    async def _at(self, partition: int, offset: int) -> UUID | None:
        async with asyncio.timeout(SEARCH_SECONDS):
            start, end = (await bounds(self._kafka, self._topic)).get(partition, (0, 0))
            place = {partition: (offset, offset + 1 if start <= offset < end else offset)}
            async for records in batches(self._kafka, self._topic, place):
                if not isinstance(found := read(records[0]), Bad):
                    return UUID(found.id)
        return None

    async def _search(self, id_: UUID, known: Found | None) -> Found:
        """From the id's time on, or from where the last search ended; what was read once is not read again."""
        stretches = await bounds(self._kafka, self._topic, since_ms=max(0, milliseconds_of(id_) - BEFORE_MS))
        reached = {number: start for number, (start, _) in stretches.items()} | dict(known.reached if known else {})
        searched = known.searched if known else 0
        bounded = {
            number: (reached[number], min(end, reached[number] + max(0, SEARCHED_MAX - searched)))
            for number, (_, end) in stretches.items()
        }
        whole = all(bounded[number][1] >= end for number, (_, end) in stretches.items())
        try:
            async with asyncio.timeout(SEARCH_SECONDS):
                async for records in batches(self._kafka, self._topic, bounded):
                    for record in records:
                        searched += 1
                        reached[record.partition] = record.offset + 1
                        if id_of(record.value, record.headers) == id_:
                            at = record.timestamp / 1000
                            return Found(record.partition, record.offset, at, searched, True, self._clock())
        except TimeoutError:
            whole = False
        return Found(None, None, None, searched, whole, self._clock(), reached)


def parsed(text: str) -> UUID | None:
    """The id in a text, or None if it is none of ours: ids are UUIDs of version 7."""
    try:
        id_ = UUID(text.strip())
    except ValueError:
        return None
    return id_ if id_.version == 7 else None


def trace(look: Look, id_: UUID, found: Found | None, stored: Stored | None, *, asked: bool) -> dict[str, Any]:
    """The facts of the page and of its JSON; ``asked``: PostgreSQL answered."""
    accepted = milliseconds_of(id_) / 1000
    there = found is not None and found.offset is not None
    return {
        "id": str(id_),
        "user_name": stored.user_name if stored else None,
        "steps": [
            {"at": None} | step
            for step in (
                {"step": "accepted", "level": "ok" if stored or there else "unknown", "at": accepted},
                _stored(stored, asked=asked, there=there),
                _published(found, stored),
                _reached(look, found, "logged"),
                _reached(look, found, "counted"),
            )
        ],
    }


def _stored(stored: Stored | None, *, asked: bool, there: bool) -> dict[str, Any]:
    if not asked:
        return {"step": "stored", "level": "unknown", "outcome": "unknown"}
    if stored is None:
        return {"step": "stored", "level": "warn" if there else "bad", "outcome": "absent"}
    return {"step": "stored", "level": "ok", "outcome": "stored", "at": stored.created_at}


def _published(found: Found | None, stored: Stored | None) -> dict[str, Any]:
    step: dict[str, Any] = {"step": "published"}
    if found is None:
        return step | {"level": "unknown", "outcome": "unknown"}
    if found.offset is not None:
        where = {"partition": found.partition, "offset": found.offset, "at": found.published_at}
        return step | {"level": "ok", "outcome": "published"} | where
    if stored and stored.refused:
        return step | {"level": "bad", "outcome": "refused", "reason": stored.refused}
    if stored and stored.waiting:
        return step | {"level": "note", "outcome": "waiting"}
    outcome = "absent" if found.whole else "not-reached"
    return step | {"level": "unknown", "outcome": outcome, "searched": found.searched}


def _reached(look: Look, found: Found | None, step: str) -> dict[str, Any]:
    if found is None or found.offset is None or found.partition is None:
        return {"step": step, "level": "unknown", "outcome": "unknown"}
    if step == "counted":
        view = next((view for view in look.counters.partitions if view.partition == found.partition), None)
        last, owner = (view.last_offset, view.owner) if view else (None, None)
    else:
        position = look.journal.get(found.partition)
        last, owner = (position.last_offset, position.owner) if position else (None, None)
    if last is None:
        return {"step": step, "level": "unknown", "outcome": "unknown"}
    done = last >= found.offset
    outcome = {"level": "ok" if done else "note", "outcome": "done" if done else "waiting"}
    return {"step": step, **outcome, "last_offset": last, "by": owner}
