"""Live tail: the newest events as they come, or as they were at a place that an address keeps."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from stream_workers.web.facts.letters_page import positions_of, text_of
from stream_workers.web.facts.names import shown_name
from stream_workers.web.facts.overview import hidden
from stream_workers.web.look.board import Look
from stream_workers.web.look.tail import Event

SHOWN = 50


@dataclass(frozen=True)
class Asked:
    """What an address asks for; ``before`` is a place: what came after it is left out. ``names``: in full."""

    user: str = ""
    text: str = ""
    partition: int | None = None
    before: str = ""
    skip: int = 0
    names: bool = False


def live(look: Look, asked: Asked) -> dict[str, Any]:
    """The facts of the page and of its JSON."""
    tailed = look.newest.value
    kept = tailed.events if tailed else ()
    place = positions_of(asked.before) or {}
    held = [event for event in kept if not place or event.offset < place.get(event.partition, 0)]
    events = [event for event in held if wanted(event, asked)]
    ends = [view.end_offset for view in look.counters.partitions]
    until = asked.skip + SHOWN
    return {
        "user": asked.user,
        "text": asked.text,
        "partition": asked.partition,
        "before": asked.before if place else "",
        "here": asked.before if place else text_of(_reached(look, kept)),
        "newer": len(kept) - len(held),
        "skip": asked.skip,
        "older": until if until < len(events) else None,
        "freshness": look.newest.freshness,
        "read_at": look.newest.as_of,
        "skipped": tailed.skipped if tailed else None,
        "kept": len(kept),
        "matching": len(events),
        "on_topic": sum(end or 0 for end in ends) if ends and None not in ends else None,
        "events": [hidden(event, names=asked.names) for event in events[asked.skip : until]],
    }


def exported(look: Look, asked: Asked) -> list[dict[str, Any]]:
    """All that match of what is kept, as the page shows them."""
    kept: Sequence[Event] = look.newest.value.events if look.newest.value else ()
    place = positions_of(asked.before) or {}
    return [
        hidden(event, names=asked.names)
        for event in kept
        if wanted(event, asked) and (not place or event.offset < place.get(event.partition, 0))
    ]


def wanted(event: Event, asked: Asked) -> bool:
    """Nothing is found by what is not shown: by a part of a name, or of the text, only where those are in full."""
    return (
        asked.partition in {None, event.partition}
        and _of_user(event.user_name or "", asked)
        and (not asked.text or any(asked.text.casefold() in shown.casefold() for shown in _shown(event, asked)))
    )


def _of_user(name: str, asked: Asked) -> bool:
    user = asked.user.casefold()
    return not user or (user in name.casefold() if asked.names else user == name.casefold())


def _shown(event: Event, asked: Asked) -> list[str]:
    shown = (event.id, event.reason, shown_name(event.user_name, names=asked.names))
    return [text or "" for text in (*shown, event.description if asked.names else None)]


def _reached(look: Look, kept: Sequence[Event]) -> Mapping[int, int]:
    """For each partition the next offset that this page has not seen."""
    reached: dict[int, int] = {}
    for event in kept:
        reached[event.partition] = max(reached.get(event.partition, 0), event.offset + 1)
    return {view.partition: view.end_offset or 0 for view in look.counters.partitions} | reached
