"""What a look means: findings in order of weight, each with what it means for users and what to do, in words.

The words are in the catalogue under ``finding.<code>``, ``finding.<code>-meaning`` and ``finding.<code>-todo``.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from contracts import Topics
from stream_workers.kinds import KINDS, METRICS, Kind
from stream_workers.web.look.board import Look
from stream_workers.web.look.gateways import GatewayRow, Intake
from stream_workers.web.look.groups import Group

Level = Literal["ok", "note", "warn", "bad", "unknown"]

LAG_SECONDS = 15.0
WAITING_SECONDS = 10.0

_WEIGHT: dict[Level, int] = {"bad": 0, "warn": 1, "unknown": 2, "note": 3, "ok": 4}


@dataclass(frozen=True)
class Finding:
    """One thing that is not as it should be; ``values`` go into its words."""

    code: str
    level: Level
    values: dict[str, Any] = field(default_factory=dict)


def findings(look: Look, topics: Topics) -> list[Finding]:
    """All findings, the worst first."""
    found = [*_kafka(look), *_counting(look), *_workers(look, topics), *_intake(look)]
    return sorted(found, key=lambda finding: _WEIGHT[finding.level])


def level_of(found: Sequence[Finding]) -> Level:
    """The state of the whole in one word."""
    return found[0].level if found and found[0].level != "note" else "ok"


def _kafka(look: Look) -> Iterator[Finding]:
    counters = look.counters
    if look.kafka_silent_since is not None:
        waiting = look.intake.value.waiting if look.intake and look.intake.value else None
        seconds = look.at - look.kafka_silent_since
        yield Finding("kafka-away", "bad", {"seconds": seconds, "waiting": waiting})
    elif counters.brokers.away:
        brokers = ", ".join(map(str, counters.brokers.away))
        yield Finding("brokers-away", "warn", {"brokers": brokers, "n": len(counters.brokers.away)})
    elif not counters.complete:
        yield Finding("view-incomplete", "unknown")


def _counting(look: Look) -> Iterator[Finding]:
    counters = look.counters
    if counters.missing:
        yield Finding("missing", "bad", {"n": counters.missing})
    if not all(view.exact for view in counters.partitions):
        yield Finding("inexact", "bad")
    if look.kafka_silent_since is None and (counters.lag_seconds or 0) > LAG_SECONDS:
        yield Finding("lagging", "warn", {"seconds": counters.lag_seconds, "lag": counters.lag or 0})


def _workers(look: Look, topics: Topics) -> Iterator[Finding]:
    partitions = [view.partition for view in look.counters.partitions]
    for kind in KINDS.values():
        yield from _ownership(look, (look.groups.value or {}).get(kind.group(topics)), kind, partitions)


def _ownership(look: Look, group: Group | None, kind: Kind, partitions: Sequence[int]) -> Iterator[Finding]:
    """Partitions that no worker of this kind owns; nothing is said while that is not known."""
    if group is None or look.groups.freshness != "fresh":
        return
    if not group.settled:
        yield Finding("rebalancing", "note", {"kind": kind.name})
        return
    orphans = sorted(set(partitions) - set(group.owners()))
    if not group.members:
        yield Finding(f"no-{kind}-worker", "bad" if kind == METRICS else "warn")
    elif orphans:
        yield Finding(
            "no-owner", "bad", {"n": len(orphans), "partitions": ", ".join(map(str, orphans)), "kind": kind.name}
        )


def _intake(look: Look) -> Iterator[Finding]:
    reading = look.intake
    if reading is None:
        return
    if reading.silent_since is not None:
        yield Finding("database-away", "warn", {"seconds": look.at - reading.silent_since})
    elif reading.value is not None:
        yield from _gateways(reading.value.gateways)
        yield from _outbox(reading.value, kafka_away=look.kafka_silent_since is not None)


def _gateways(gateways: Sequence[GatewayRow]) -> Iterator[Finding]:
    if not any(gateway.state == "running" for gateway in gateways):
        yield Finding("no-gateway", "bad")
    for gateway in gateways:
        if gateway.state != "running":
            yield Finding(f"gateway-{gateway.state}", "warn", {"instance": gateway.instance, "seconds": gateway.age})
        elif gateway.replica is not None and gateway.replica["status"] != "ok":
            yield Finding("replica-unused", "warn", {"instance": gateway.instance, "reason": gateway.replica["reason"]})


def _outbox(intake: Intake, *, kafka_away: bool) -> Iterator[Finding]:
    if intake.oldest is not None and intake.oldest > WAITING_SECONDS and not kafka_away:
        yield Finding("outbox-behind", "warn", {"n": intake.waiting, "seconds": intake.oldest})
    if intake.unpublishable:
        yield Finding("unpublishable", "warn", {"n": intake.unpublishable})


def group_level(group: Group | None, partitions: Sequence[int]) -> Level:
    """How a consumer group does."""
    if group is None:
        return "unknown"
    if not group.members:
        return "bad"
    if not group.settled:
        return "note"
    return "ok" if set(partitions) <= set(group.owners()) else "bad"
