"""What was there when somebody last looked: so that the next one, who may be another worker, finds what changed."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self


@dataclass(frozen=True, slots=True)
class Gateway:
    """A gateway process; times are in seconds since 1970. ``state`` is that of its lease, which ends by itself."""

    started_at: float
    renewed_at: float
    state: str
    lease_seconds: float


@dataclass(frozen=True, slots=True)
class Workers:
    """The workers of one kind by member id, and whose partition each one is."""

    names: Mapping[str, str] = field(default_factory=dict)
    owners: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Seen:
    """``gateways`` is None as long as no database was asked; ``dead`` are counts by reason."""

    gateways: Mapping[str, Gateway] | None = None
    workers: Mapping[str, Workers] = field(default_factory=dict)
    versions: tuple[str, ...] = ()
    brokers_away: tuple[int, ...] = ()
    kafka_until: float = 0.0
    database_away: float | None = None
    dead: Mapping[str, int] = field(default_factory=dict)
    missing: int = 0
    unpublishable: int = 0

    @classmethod
    def from_fields(cls, fields: Mapping[str, Any]) -> Self:
        """From its JSON; what a later version adds is passed over, what is of another kind is a TypeError."""
        gateways, away = fields["gateways"], fields["database_away"]
        return cls(
            gateways=None if gateways is None else {name: _gateway(held) for name, held in gateways.items()},
            workers={kind: Workers(_texts(held["names"]), _texts(held["owners"])) for kind, held in _items(fields)},
            versions=tuple(map(str, fields["versions"])),
            brokers_away=tuple(map(int, fields["brokers_away"])),
            kafka_until=float(fields["kafka_until"]),
            database_away=None if away is None else float(away),
            dead={str(reason): int(count) for reason, count in fields["dead"].items()},
            missing=int(fields["missing"]),
            unpublishable=int(fields["unpublishable"]),
        )


def _items(fields: Mapping[str, Any]) -> Any:
    return fields["workers"].items()


def _gateway(held: Mapping[str, Any]) -> Gateway:
    times = {name: float(held[name]) for name in ("started_at", "renewed_at", "lease_seconds")}
    return Gateway(state=str(held["state"]), **times)


def _texts(held: Mapping[str, Any]) -> dict[str, str]:
    return {str(name): str(text) for name, text in held.items()}
