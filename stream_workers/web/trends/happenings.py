"""Events: what happened to the parts, the newest first; and the marks that stand under charts."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from stream_workers.chronicle.happened import Happened
from stream_workers.web.look.board import Look

PAGE = 100
MARKS = 200
SHOWN = 5
WORRIES = ("warn", "bad")


def happenings(look: Look, *, before: float | None, worries: bool) -> dict[str, Any]:
    """The facts of the page and of its JSON: what happened before an instant, ``worries``: of what needs attention."""
    known = look.happened.value
    found = [each for each in (known.happened if known else ()) if not worries or each.level in WORRIES]
    found = sorted(found, key=lambda each: each.at, reverse=True)
    found = found if before is None else [each for each in found if each.at < before]
    # What one look found has one time, and stays on one page.
    shown = [each for each in found if each.at >= found[PAGE - 1].at] if len(found) > PAGE else found
    return {
        "events": [fields_of(each) for each in shown],
        "older": shown[-1].at if len(found) > len(shown) else None,
        "before": before,
        "worries": worries,
        "freshness": look.happened.freshness,
        "why": look.happened.why,
        "watched": known is not None and known.seen is not None,
    }


def marks(look: Look, seconds: float) -> list[dict[str, Any]]:
    """What happened in so many last seconds, oldest first."""
    known = look.happened.value
    found = [each for each in (known.happened if known else ()) if 0 <= look.at - each.at <= seconds]
    return [fields_of(each) for each in sorted(found, key=lambda each: each.at)[-MARKS:]]


def fields_of(each: Happened) -> dict[str, Any]:
    """One of them as JSON."""
    return {**asdict(each), "level": each.level}


def all_of(happened: Sequence[Happened], *, since: float) -> list[Happened]:
    """From an instant on, in order of time."""
    return sorted((each for each in happened if each.at >= since), key=lambda each: each.at)
