"""Health: the state of every part that this worker knows of; nothing here says who submitted what."""

from typing import Any

from stream_workers.web.facts.diagnosis import Finding, Level, level_of
from stream_workers.web.look.board import Look


def health(look: Look, found: list[Finding], parts: dict[str, Any], *, missing: str | None) -> dict[str, Any]:
    """The facts of the page and of its JSON. ``parts`` is the overview's; ``missing``: why this worker is not ready."""
    pipeline = parts["pipeline"]
    counters = look.counters
    intake = look.intake.value if look.intake else None
    groups = look.groups.value
    members = None if groups is None else sum(len(group.members) for group in groups.values())
    view: Level = "ok" if counters.complete and look.kafka_silent_since is None else "unknown"
    return {
        "status": level_of(found),
        "parts": [
            {"part": "worker", "level": "ok" if missing is None else "warn", "detail": missing, "as_of": look.at},
            {
                "part": "kafka",
                "level": _kafka_level(look, pipeline["topic"]["level"]),
                "as_of": counters.as_of,
                "brokers": dict(counters.brokers.here),
                "away": list(counters.brokers.away),
            },
            {"part": "view", "level": view, "as_of": counters.as_of},
            {"part": "groups", "level": pipeline["workers"]["level"], "as_of": look.groups.as_of, "running": members},
            {
                "part": "database",
                "level": pipeline["postgres"]["level"],
                "as_of": look.intake.as_of if look.intake else None,
                "configured": look.intake is not None,
            },
            {
                "part": "gateways",
                "level": pipeline["http"]["level"],
                "running": None if intake is None else sum(row.state == "running" for row in intake.gateways),
                "as_of": look.intake.as_of if look.intake else None,
            },
        ],
    }


def _kafka_level(look: Look, level: Level) -> Level:
    return "warn" if level == "ok" and look.counters.brokers.away else level
