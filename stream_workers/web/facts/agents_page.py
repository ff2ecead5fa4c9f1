"""Agents: which workers run each agent, how fast it goes, and what went wrong since."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from contracts import Topics
from stream_workers.books.shelf import BOOKS
from stream_workers.exact.partitions import Figures
from stream_workers.kinds import KINDS, METRICS, Kind
from stream_workers.web.facts.diagnosis import group_level
from stream_workers.web.look.board import Look
from stream_workers.web.look.groups import Group


def agents(
    look: Look, *, topics: Topics, figures: Figures, owner: str, started_at: float, handovers: Mapping[int, int]
) -> dict[str, Any]:
    """The facts of the page and of its JSON; ``figures`` and ``handovers`` are since this worker's start."""
    return {
        "agents": [
            _agent(look, topics, METRICS)
            | {
                "rate": look.counters.rate,
                "events": look.counters.total,
                "errors": look.counters.dead,
                "missing": look.counters.missing,
                "handovers": sum(handovers.values()),
            },
            *(_agent(look, topics, kind) | _booked(look, kind) for kind in KINDS.values() if kind != METRICS),
        ],
        "groups_freshness": look.groups.freshness,
        "this_worker": {"name": owner, "started_at": started_at, **asdict(figures)},
    }


def _agent(look: Look, topics: Topics, kind: Kind) -> dict[str, Any]:
    name = kind.group(topics)
    group = (look.groups.value or {}).get(name)
    partitions = [view.partition for view in look.counters.partitions]
    return {
        "agent": f"{name}-agent",
        "kind": kind.name,
        "group": name,
        "state": group.state if group else None,
        "level": group_level(group, partitions) if look.groups.freshness == "fresh" else "unknown",
        "workers": _workers(look, group, kind),
    }


def _booked(look: Look, kind: Kind) -> dict[str, Any]:
    """What the states of a kind say; nothing before all of them were read."""
    complete = look.complete.get(kind.name, False)
    states = [BOOKS[kind.name].decode(newest.value) for newest in look.values.get(kind.name, {}).values()]
    return {
        "rate": None,
        "events": sum(state.taken for state in states) if complete else None,
        "errors": sum(state.bad for state in states) if complete else None,
        "missing": sum(state.missing for state in states) if complete else None,
        "handovers": None,
    }


def _workers(look: Look, group: Group | None, kind: Kind) -> list[dict[str, Any]]:
    return [
        {
            "name": member.name,
            "host": member.host,
            "partitions": list(member.partitions),
            "rate": _rate(look, member.partitions) if kind == METRICS else None,
        }
        for member in (group.members if group else ())
    ]


def _rate(look: Look, partitions: Any) -> float | None:
    rates = [look.rates.get(partition) for partition in partitions]
    return sum(rate for rate in rates if rate is not None) if rates and None not in rates else None
