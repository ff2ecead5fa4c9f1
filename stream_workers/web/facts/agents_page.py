"""Agents: which workers run each agent, how fast it goes, and what went wrong since."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from stream_workers.exact.partitions import Figures
from stream_workers.web.facts.diagnosis import group_level
from stream_workers.web.look.board import Look
from stream_workers.web.look.groups import Group


def agents(
    look: Look,
    *,
    metrics: str,
    journal: str,
    figures: Figures,
    owner: str,
    started_at: float,
    handovers: Mapping[int, int],
) -> dict[str, Any]:
    """The facts of the page and of its JSON; ``figures`` and ``handovers`` are since this worker's start."""
    positions = look.journal.values()
    counters = look.counters
    return {
        "agents": [
            _agent(look, metrics, "metrics")
            | {
                "rate": counters.rate,
                "events": counters.total,
                "errors": counters.dead,
                "missing": counters.missing,
                "handovers": sum(handovers.values()),
            },
            _agent(look, journal, "journal")
            | {
                "rate": None,
                "events": sum(position.logged for position in positions) if look.journal_complete else None,
                "errors": sum(position.unreadable for position in positions) if look.journal_complete else None,
                "missing": sum(position.missing for position in positions) if look.journal_complete else None,
                "handovers": None,
            },
        ],
        "groups_freshness": look.groups.freshness,
        "this_worker": {"name": owner, "started_at": started_at, **asdict(figures)},
    }


def _agent(look: Look, name: str, kind: str) -> dict[str, Any]:
    group = (look.groups.value or {}).get(name)
    partitions = [view.partition for view in look.counters.partitions]
    return {
        "agent": f"{name}-agent",
        "kind": kind,
        "group": name,
        "state": group.state if group else None,
        "level": group_level(group, partitions) if look.groups.freshness == "fresh" else "unknown",
        "workers": _workers(look, group, kind),
    }


def _workers(look: Look, group: Group | None, kind: str) -> list[dict[str, Any]]:
    return [
        {
            "name": member.name,
            "host": member.host,
            "partitions": list(member.partitions),
            "rate": _rate(look, member.partitions) if kind == "metrics" else None,
        }
        for member in (group.members if group else ())
    ]


def _rate(look: Look, partitions: Any) -> float | None:
    rates = [look.rates.get(partition) for partition in partitions]
    return sum(rate for rate in rates if rate is not None) if rates and None not in rates else None
