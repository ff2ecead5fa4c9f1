"""Live tail: the newest events as they come, user names masked unless asked for."""

from typing import Any

from stream_workers.web.facts.overview import hidden
from stream_workers.web.look.board import Look
from stream_workers.web.look.tail import Event

SHOWN = 50


def live(look: Look, *, user: str, partition: int | None, names: bool) -> dict[str, Any]:
    """The facts of the page and of its JSON; ``user``: part of a user name, in any case."""
    tailed = look.newest.value
    kept = tailed.events if tailed else ()
    events = [event for event in kept if _wanted(event, user.casefold(), partition)]
    ends = [view.end_offset for view in look.counters.partitions]
    return {
        "user": user,
        "partition": partition,
        "names": names,
        "freshness": look.newest.freshness,
        "read_at": look.newest.as_of,
        "skipped": tailed.skipped if tailed else None,
        "kept": len(kept),
        "matching": len(events),
        "on_topic": sum(end or 0 for end in ends) if ends and None not in ends else None,
        "events": [hidden(event, names=names) for event in events[:SHOWN]],
    }


def _wanted(event: Event, user: str, partition: int | None) -> bool:
    return (partition is None or event.partition == partition) and (
        not user or user in (event.user_name or "").casefold()
    )
