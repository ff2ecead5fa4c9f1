"""What happened between two looks: a pure function of what was there and what is there."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from stream_workers.chronicle.happened import Happened
from stream_workers.chronicle.seen import Gateway, Seen, Workers
from stream_workers.web.look.gateways import Intake
from stream_workers.web.look.groups import Group

_LOST = {"silent": "gateway-silent", "drained": "gateway-taken-over"}


@dataclass(frozen=True, kw_only=True)
class Sight:
    """One look. ``intake`` and a group are None where nobody told; ``database_why`` says why the database did not.

    ``kafka_away`` is the last time that the broker was silent, from when to when, once that is over.
    """

    at: float
    intake: Intake | None
    database_why: str | None
    groups: Mapping[str, Group | None]
    version: str
    brokers_away: Sequence[int]
    kafka_away: tuple[float, float] | None
    dead: Mapping[str, int]
    missing: int


def first_seen(sight: Sight) -> tuple[Seen, list[Happened]]:
    """Where nobody looked before, nothing can be told to have changed."""
    seen, _ = difference(Seen(), sight)
    return seen, [Happened(sight.at, "watching")]


def difference(seen: Seen, sight: Sight) -> tuple[Seen, list[Happened]]:
    """What is there now, and what happened since; what nobody told of stays as it was."""
    found = [
        *_kafka(seen, sight),
        *_database(seen, sight),
        *_gateways(seen, sight),
        *_workers(seen, sight),
        *_versions(seen, sight),
        *_counts(seen, sight),
    ]
    return _after(seen, sight), sorted(found, key=lambda each: each.at)


def _after(seen: Seen, sight: Sight) -> Seen:
    intake, away = sight.intake, seen.database_away
    told = {kind: _workers_of(group) for kind, group in sight.groups.items() if group and group.settled}
    return replace(
        seen,
        gateways=seen.gateways if intake is None else _gateways_of(intake, sight.at),
        workers={**seen.workers, **told},
        versions=_running(seen, sight),
        brokers_away=tuple(sight.brokers_away),
        kafka_until=max(seen.kafka_until, sight.kafka_away[1] if sight.kafka_away else 0.0),
        database_away=None if sight.database_why is None else away or sight.at,
        dead=sight.dead,
        missing=sight.missing,
        unpublishable=seen.unpublishable if intake is None else intake.unpublishable,
    )


def _kafka(seen: Seen, sight: Sight) -> Iterator[Happened]:
    if sight.kafka_away and sight.kafka_away[0] > seen.kafka_until:
        since, until = sight.kafka_away
        yield Happened(since, "kafka-away", {"seconds": round(until - since, 1)})
        yield Happened(until, "kafka-back", {"seconds": round(until - since, 1)})
    for kind, brokers in (
        ("broker-away", set(sight.brokers_away) - set(seen.brokers_away)),
        ("broker-back", set(seen.brokers_away) - set(sight.brokers_away)),
    ):
        if brokers:
            yield Happened(sight.at, kind, {"brokers": _listed(brokers)})


def _database(seen: Seen, sight: Sight) -> Iterator[Happened]:
    if sight.database_why is not None and seen.database_away is None:
        yield Happened(sight.at, "database-away", {"reason": sight.database_why})
    if sight.database_why is None and seen.database_away is not None:
        yield Happened(sight.at, "database-back", {"seconds": round(sight.at - seen.database_away, 1)})


def _gateways(seen: Seen, sight: Sight) -> Iterator[Happened]:
    if sight.intake is None or seen.gateways is None:
        return
    rows = {row.instance: row for row in sight.intake.gateways}
    for instance, row in rows.items():
        before = seen.gateways.get(instance)
        if before is None or row.started_at - before.started_at > 1:
            yield Happened(row.started_at, "gateway-came", {"instance": instance, "version": row.version or ""})
        elif row.state != before.state and row.state in _LOST:
            yield Happened(sight.at, _LOST[row.state], {"instance": instance, "seconds": round(row.age, 1)})
    for instance, before in seen.gateways.items():
        if instance not in rows:
            yield _gone(instance, before, sight.at)


def _gone(instance: str, before: Gateway, now: float) -> Happened:
    """Who leaves in order gives its lease back at once; a lease that ran out was last renewed that much earlier."""
    if before.state == "running" and now - before.renewed_at < before.lease_seconds:
        return Happened(now, "gateway-left", {"instance": instance})
    return Happened(now, "gateway-gone", {"instance": instance, "seconds": round(now - before.renewed_at, 1)})


def _workers(seen: Seen, sight: Sight) -> Iterator[Happened]:
    """While partitions are being shared out nobody can say who is there."""
    for kind, group in sight.groups.items():
        before = seen.workers.get(kind)
        if group is None or not group.settled or before is None:
            continue
        now = _workers_of(group)
        came = {now.names[id_] for id_ in now.names.keys() - before.names.keys()}
        gone = {before.names[id_] for id_ in before.names.keys() - now.names.keys()}
        for what, names in (("came", came - gone), ("gone", gone - came), ("restarted", came & gone)):
            for name in sorted(names):
                yield Happened(sight.at, f"worker-{what}", {"worker": kind, "name": name})
        moved = {at for at, name in now.owners.items() if before.owners.get(at, name) != name}
        if moved:
            partitions = _listed(map(int, moved))
            yield Happened(sight.at, "rebalance", {"worker": kind, "n": len(moved), "partitions": partitions})


def _versions(seen: Seen, sight: Sight) -> Iterator[Happened]:
    if seen.versions:
        for version in sorted(set(_running(seen, sight)) - set(seen.versions)):
            yield Happened(sight.at, "deployment", {"version": version, "before": ", ".join(seen.versions)})


def _counts(seen: Seen, sight: Sight) -> Iterator[Happened]:
    dead = Counter(sight.dead) - Counter(seen.dead)
    if dead:
        reasons = ", ".join(reason for reason, _ in dead.most_common(3))
        yield Happened(sight.at, "dead-letters", {"n": dead.total(), "reason": reasons})
    if sight.missing > seen.missing:
        yield Happened(sight.at, "missing", {"n": sight.missing - seen.missing})
    if sight.intake is not None and seen.gateways is not None and sight.intake.unpublishable > seen.unpublishable:
        yield Happened(sight.at, "unpublishable", {"n": sight.intake.unpublishable - seen.unpublishable})


def _running(seen: Seen, sight: Sight) -> tuple[str, ...]:
    """The versions that run: that of this worker, and of the gateways."""
    gateways = sight.intake.gateways if sight.intake else ()
    told = {row.version for row in gateways if row.state == "running" and row.version}
    return tuple(sorted(told | {sight.version} | (set() if sight.intake else set(seen.versions))))


def _gateways_of(intake: Intake, now: float) -> dict[str, Gateway]:
    return {
        row.instance: Gateway(row.started_at, now - row.age, row.state, row.lease_seconds) for row in intake.gateways
    }


def _workers_of(group: Group) -> Workers:
    owners = {str(partition): name for partition, name in group.owners().items()}
    return Workers({member.id or member.name: member.name for member in group.members}, owners)


def _listed(numbers: Iterable[int]) -> str:
    shown = sorted(numbers)
    return ", ".join(map(str, shown[:20])) + (", …" if len(shown) > 20 else "")
