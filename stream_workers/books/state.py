"""The counters of one partition, and their JSON on the changelog topic."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson

from stream_workers.books.histogram import Histogram, Recent
from stream_workers.books.series import Series
from stream_workers.books.sketches.latencies import Latencies
from stream_workers.books.users import Users
from stream_workers.errors import LaterVersionError
from stream_workers.kinds import METRICS

# 1: the first. 2: latencies of the last quarter of an hour beside those of all time. 3: offsets without a record.
# What an earlier version may lose without harm (the latencies of the past) has none, so that it can still take over.
VERSION = 3

# A value on the changelog stays below this, whatever is sent.
VALUE_LIMIT = 64 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """Exactly the offsets ``first`` to ``last_offset`` of one partition, each booked once.

    total + dead + replayed + missing + empty = last_offset - first + 1, always. ``empty`` offsets hold no record: marks
    of transactions, records that a transaction took back, what compaction removed. ``late`` and ``future`` are parts of
    ``total``: events older than the minute series reaches, and events dated after they were read (they are in no
    series). Times are milliseconds since 1970.
    """

    topic_id: str
    first: int
    last_offset: int
    edition: int = 0
    total: int = 0
    dead: int = 0
    replayed: int = 0
    missing: int = 0
    empty: int = 0
    late: int = 0
    future: int = 0
    newest_at: int | None = None
    consumed_at: int | None = None
    owner: str = ""
    outcomes: int = 0
    reasons: Mapping[str, int] = field(default_factory=dict)
    minutes: Series = field(default_factory=dict)
    hours: Series = field(default_factory=dict)
    days: Series = field(default_factory=dict)
    sizes: Histogram = field(default_factory=dict)
    latency: Histogram = field(default_factory=dict)
    recent: Recent = field(default_factory=dict)
    latencies: Latencies = field(default_factory=Latencies)
    users: Users = field(default_factory=Users)

    @property
    def taken(self) -> int:
        """Applications, each counted once."""
        return self.total

    @property
    def bad(self) -> int:
        """What is among the dead letters."""
        return self.dead

    @property
    def classes(self) -> Mapping[str, int]:
        """What each offset was booked as, by the names that the audit shows."""
        return {
            "counted": self.total,
            "dead": self.dead,
            "replayed": self.replayed,
            "missing": self.missing,
            "empty": self.empty,
        }

    @property
    def booked(self) -> int:
        """Offsets that are accounted for."""
        return sum(self.classes.values())

    @property
    def exact(self) -> bool:
        """Whether every offset is booked exactly once."""
        return self.booked == self.last_offset - self.first + 1


_PLAIN = (
    "topic_id",
    "first",
    "last_offset",
    "edition",
    "total",
    "dead",
    "replayed",
    "missing",
    "empty",
    "late",
    "future",
    "newest_at",
    "consumed_at",
    "owner",
)
_NO_COUNTS = {"topic_id", "newest_at", "consumed_at", "owner"}
_COUNTS = ("minutes", "hours", "days", "sizes", "latency")


def fresh(topic_id: str, first: int) -> State:
    """Nothing counted yet; the next offset is the topic's first."""
    return State(topic_id=topic_id, first=first, last_offset=first - 1)


def to_json(state: State) -> bytes:
    """The state as it stands on the changelog; whole numbers at the top level, sketches in base64."""
    distinct, active = state.users.to_text()
    fields: dict[str, Any] = {"version": VERSION}
    fields |= {name: getattr(state, name) for name in _PLAIN + _COUNTS}
    fields |= {
        "recent": state.recent,
        "latencies": state.latencies.to_fields(),
        "reasons": state.reasons,
        "outcomes": f"{state.outcomes:x}",
        "distinct": distinct,
        "active": active,
    }
    return orjson.dumps(fields, option=orjson.OPT_NON_STR_KEYS)


def from_json(value: bytes) -> State:
    """A state of this version or of an earlier one; LaterVersionError for one of a later."""
    fields = migrated(orjson.loads(value))
    plain: dict[str, Any] = {name: fields[name] for name in _PLAIN}
    _whole({name: plain[name] for name in plain.keys() - _NO_COUNTS})
    counts: dict[str, Any] = {name: _counts(fields[name]) for name in _COUNTS}
    return State(
        **plain,
        **counts,
        recent={int(window): _counts(held) for window, held in fields["recent"].items()},
        latencies=Latencies.from_fields(fields.get("latencies", {})),
        reasons=_whole(fields["reasons"]),
        outcomes=int(fields["outcomes"], 16),
        users=Users.from_text(fields["distinct"], fields["active"]),
    )


def migrated(fields: dict[str, Any]) -> dict[str, Any]:
    """Fields of an earlier version brought to this one; a later one is refused."""
    if fields["version"] > VERSION:
        raise LaterVersionError(table=METRICS.table, version=fields["version"], known=VERSION)
    if fields["version"] < 2:
        fields["recent"] = {}
    if fields["version"] < 3:
        fields["empty"] = 0
    return fields


def _counts(held: Mapping[str, int]) -> dict[int, int]:
    return {int(key): count for key, count in _whole(held).items()}


def _whole(held: Mapping[str, int]) -> Mapping[str, int]:
    """The same; TypeError where a count is no whole number."""
    if not all(type(count) is int for count in held.values()):
        raise TypeError("a count is no whole number")
    return held
