"""Overview: does everything that comes in go through, and how fast?"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Any
from zoneinfo import ZoneInfo

from contracts import Topics
from stream_workers.books.series import HOUR
from stream_workers.kinds import KINDS
from stream_workers.web.facts.diagnosis import LAG_SECONDS, WAITING_SECONDS, Level, group_level
from stream_workers.web.facts.names import shown_name, shown_users
from stream_workers.web.look.board import Look
from stream_workers.web.look.snapshot import Snapshot
from stream_workers.web.look.tail import Event
from stream_workers.web.trends.happenings import marks
from stream_workers.web.trends.history import lag_points, rate_points
from stream_workers.web.trends.spans import CHART_SECONDS

LATEST = 10


def overview(look: Look, *, topics: Topics, zone: ZoneInfo, names: bool = False) -> dict[str, Any]:
    """The facts of the page and of its JSON."""
    counters = look.counters
    today, today_zone = counted_today(counters.hours, look.at, zone)
    return {
        "pipeline": _pipeline(look, topics),
        **_counted(counters),
        "active_users": shown_users(counters.active_users[:LATEST], names=names),
        "today": today,
        "today_zone": today_zone,
        "rate_chart": rate_points(look.trend, counters.minutes, look.at),
        "lag_chart": lag_points(look.trend),
        "events": marks(look, CHART_SECONDS),
        "latest": _latest(look, names=names),
        "latest_freshness": look.newest.freshness,
        "gateways": look.intake.value.gateways if look.intake and look.intake.value else [],
        "gateways_freshness": look.intake.freshness if look.intake else "unknown",
        "groups": {name: (look.groups.value or {}).get(kind.group(topics)) for name, kind in KINDS.items()},
        "groups_freshness": look.groups.freshness,
    }


def _pipeline(look: Look, topics: Topics) -> dict[str, Any]:
    """Each stage of an application's way, with how it does."""
    counters = look.counters
    intake = look.intake.value if look.intake else None
    return {
        "http": {"level": _http_level(look), "rate": _sum_of(look, "rate"), "p99_ms": _p99(look)},
        "postgres": {
            "level": _postgres_level(look),
            "waiting": intake.waiting if intake else None,
            "oldest_seconds": intake.oldest if intake else None,
        },
        "topic": {
            "level": "bad" if look.kafka_silent_since else "ok" if counters.as_of else "unknown",
            "partitions": len(counters.partitions) or None,
            "end_offsets": _ends(look),
        },
        "workers": {"level": _workers_level(look, topics), "lag": counters.lag, "rate": counters.rate},
    }


def _counted(counters: Snapshot) -> dict[str, Any]:
    """What the metrics workers know."""
    return {
        "lag_seconds": counters.lag_seconds,
        "total": counters.total,
        "this_hour": counters.this_hour,
        "replayed": counters.replayed,
        "dead": counters.dead,
        "missing": counters.missing,
        "distinct_users": counters.distinct_users,
        "latency_p50_ms": counters.latency_p50_ms,
        "latency_p99_ms": counters.latency_p99_ms,
    }


def counted_today(hours: Mapping[int, int], now: float, zone: ZoneInfo) -> tuple[int, str]:
    """Applications since midnight, and in which zone: the reader's where its midnight is on a full hour, else UTC."""
    local = datetime.fromtimestamp(now, UTC).astimezone(zone)
    midnight = local.replace(hour=0, minute=0, second=0, microsecond=0)
    name = zone.key
    if (midnight.utcoffset() or timedelta()).total_seconds() % 3600:
        midnight, name = datetime.fromtimestamp(now, UTC).replace(hour=0, minute=0, second=0, microsecond=0), "UTC"
    first = int(midnight.timestamp() * 1000) // HOUR
    return sum(count for hour, count in hours.items() if hour >= first), name


def _latest(look: Look, *, names: bool) -> list[dict[str, Any]]:
    """What could not be read is no application; it is in the live tail."""
    events = look.newest.value.events if look.newest.value else ()
    return [hidden(event, names=names) for event in islice((event for event in events if event.id), LATEST)]


def hidden(event: Event, *, names: bool = False) -> dict[str, Any]:
    """An event for people: what is personal masked unless ``names``."""
    return {
        "id": event.id,
        "user_name": shown_name(event.user_name, names=names),
        "description": event.description if names else None,
        "partition": event.partition,
        "offset": event.offset,
        "at": event.at,
        "created_at": event.created_at,
        "bytes": event.size,
        "replayed": event.replayed,
        "reason": event.reason,
    }


def _http_level(look: Look) -> Level:
    if look.intake is None or look.intake.value is None or look.intake.freshness != "fresh":
        return "unknown"
    states = {gateway.state for gateway in look.intake.value.gateways}
    if "running" not in states:
        return "bad"
    return "ok" if states == {"running"} else "warn"


def _postgres_level(look: Look) -> Level:
    if look.intake is None or look.intake.value is None:
        return "unknown"
    if look.intake.silent_since is not None:
        return "bad"
    return "warn" if (look.intake.value.oldest or 0) > WAITING_SECONDS else "ok"


def _workers_level(look: Look, topics: Topics) -> Level:
    if look.kafka_silent_since is not None or look.groups.freshness != "fresh":
        return "unknown"
    partitions = [view.partition for view in look.counters.partitions]
    groups = look.groups.value or {}
    levels = {group_level(groups.get(kind.group(topics)), partitions) for kind in KINDS.values()}
    worst: Sequence[Level] = ("bad", "unknown", "note")
    for level in worst:
        if level in levels:
            return level
    return "warn" if (look.counters.lag_seconds or 0) > LAG_SECONDS else "ok"


def _sum_of(look: Look, name: str) -> float | None:
    gateways = look.intake.value.gateways if look.intake and look.intake.value else ()
    values = [getattr(gateway, name) for gateway in gateways if gateway.state == "running"]
    return sum(values) if values and None not in values else None


def _p99(look: Look) -> float | None:
    """The worst of all gateways: percentiles cannot be added."""
    gateways = look.intake.value.gateways if look.intake and look.intake.value else ()
    return max((gateway.p99_ms for gateway in gateways if gateway.p99_ms is not None), default=None)


def _ends(look: Look) -> int | None:
    ends = [view.end_offset for view in look.counters.partitions]
    return sum(end for end in ends if end is not None) if ends and None not in ends else None
