"""Consumer groups: who reads the applications, how far behind is each one, and when is it too late?"""

import asyncio
import math
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from contracts import Topics
from stream_workers.consumers.asked import GROUPS_MAX
from stream_workers.consumers.watched import Consumer, Consumers
from stream_workers.kinds import KINDS
from stream_workers.web.look.polled import Polled, Reading

PATIENCE_SECONDS = 2.0
_HOUR = 3_600.0
# A lag that changes by less than this a second is steady.
_STEADY = 0.05


async def looked_at(polled: Polled[Consumers]) -> Reading[Consumers]:
    """What is known by now; a question that takes longer is answered by the next look."""
    if asking := polled.refresh():
        await asyncio.wait({asking}, timeout=PATIENCE_SECONDS)
    return polled.seen()


def reading(found: Reading[Consumers], topics: Topics, *, group: str) -> dict[str, Any]:
    """The facts of the page and of its JSON; the partitions are those of one ``group``."""
    told = found.value
    chosen = next((consumer for consumer in told.found if consumer.group == group), None) if told else None
    return {
        "groups": [fields_of(consumer, topics) for consumer in (told.found if told else ())],
        "group": group,
        "partitions": [asdict(partition) for partition in chosen.partitions] if chosen else [],
        "total": told.total if told else None,
        "unasked": max(0, told.total - GROUPS_MAX) if told else None,
        "retention_seconds": _finite(told.retention_seconds) if told else None,
        "retention_why": told.retention_why if told else None,
        "read_at": found.as_of,
        "freshness": found.freshness,
        "why": found.why,
    }


def fields_of(consumer: Consumer, topics: Topics) -> dict[str, Any]:
    """One group as JSON, which has no infinity."""
    ours: Mapping[str, str] = {kind.group(topics): kind.name for kind in KINDS.values()}
    shown = {name: value for name, value in asdict(consumer).items() if name != "partitions"}
    return shown | {
        "ours": ours.get(consumer.group),
        "level": level(consumer, ours=consumer.group in ours),
        "trend": trend(consumer),
        "too_late_in": _finite(consumer.too_late_in),
        "keeps_up": consumer.too_late_in == math.inf,
    }


def level(consumer: Consumer, *, ours: bool) -> str:
    """How it does: lost is bad; soon to lose is worth a look, and so is ours or a lag that nobody reads."""
    if consumer.lag is None:
        return "unknown"
    if consumer.lost:
        return "bad"
    nobody = consumer.members is not None and not consumer.members
    soon = consumer.too_late_in is not None and consumer.too_late_in < 24 * _HOUR
    if soon or (nobody and (ours or consumer.lag > 0)):
        return "warn"
    return "note" if nobody else "ok"


def trend(consumer: Consumer) -> str | None:
    """In a word."""
    if consumer.growth is None:
        return None
    return "steady" if abs(consumer.growth) < _STEADY else "grows" if consumer.growth > 0 else "shrinks"


def _finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None
