"""Partitions: who owns each one, how far it is counted, and what waits."""

from collections.abc import Mapping
from typing import Any

from contracts import Topics
from stream_workers.kinds import JOURNAL, KINDS, METRICS
from stream_workers.web.look.board import Look
from stream_workers.web.look.groups import Group

SORTS = ("partition", "lag", "rate", "total")


def partitions(look: Look, *, topics: Topics, sort: str) -> dict[str, Any]:
    """The facts of the page and of its JSON; ``sort`` is one of SORTS, largest first but for the partition."""
    groups = look.groups.value or {}
    owners = {name: _owners(groups.get(kind.group(topics))) for name, kind in KINDS.items()}
    positions = look.journal
    rows: list[dict[str, Any]] = []
    for view in look.counters.partitions:
        position = positions.get(view.partition)
        logged = position.last_offset if position else None
        # The broker was asked up to two seconds ago: what was counted or logged since is on the topic too.
        end = at_least(view.end_offset, view.last_offset, logged)
        rows.append(
            {
                "partition": view.partition,
                "owner": owners[METRICS.name].get(view.partition),
                "counted_last_by": view.owner,
                "first": view.first,
                "last_offset": view.last_offset,
                "end_offset": end,
                "lag": view.lag,
                "lag_seconds": view.lag_seconds,
                "rate": look.rates.get(view.partition),
                "total": view.total,
                "dead": view.dead,
                "missing": view.missing,
                "empty": view.empty,
                "exact": view.exact,
                "counted_at": None if view.counted_at is None else view.counted_at / 1000,
                "journal_owner": owners[JOURNAL.name].get(view.partition),
                "journal_offset": logged,
                "journal_lag": None if logged is None or end is None else end - logged - 1,
            }
        )
    if sort in SORTS[1:]:
        rows.sort(key=lambda row: -(row[sort] or 0))
    return {"sort": sort, "partitions": rows, "groups_freshness": look.groups.freshness}


def _owners(group: Group | None) -> Mapping[int, str]:
    return group.owners() if group else {}


def at_least(end: int | None, *offsets: int | None) -> int | None:
    """The end of a topic on which these offsets are known to be."""
    return None if end is None else max([end, *(offset + 1 for offset in offsets if offset is not None)])
