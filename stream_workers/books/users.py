"""How many users there are and who is most active, approximately and in bounded space."""

from base64 import b64decode, b64encode
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from hashlib import blake2s

from stream_workers.books.sketches import frequent_items, hyperloglog_bytes
from stream_workers.books.sketches.frequent_items import FrequentItems
from stream_workers.books.sketches.hyperloglog import Estimate, HyperLogLog

# Names are cut so that the sketch of the most active with longest names in 4-byte characters stays below 32 KB as text.
_NAME_MAX = 28


@dataclass(frozen=True)
class ActiveUser:
    """``name`` is cut with a hash at its end where it is longer than the sketch keeps."""

    name: str
    count: int
    low: int
    high: int


@dataclass(frozen=True, slots=True)
class Users:
    """Distinct and most active users; a changed one is a new one."""

    distinct: HyperLogLog = field(default_factory=HyperLogLog)
    active: FrequentItems = field(default_factory=FrequentItems)

    @classmethod
    def from_text(cls, distinct: str, active: str) -> "Users":
        """ValueError if it is no such text."""
        return cls(hyperloglog_bytes.from_bytes(b64decode(distinct)), frequent_items.from_bytes(b64decode(active)))

    def to_text(self) -> tuple[str, str]:
        distinct, active = hyperloglog_bytes.to_bytes(self.distinct), frequent_items.to_bytes(self.active)
        return b64encode(distinct).decode(), b64encode(active).decode()

    def seen(self, events_by_name: Mapping[str, int]) -> "Users":
        """With further events of these users."""
        return Users(self.distinct.seen(events_by_name), self.active.counted(_by_short_name(events_by_name)))


def _by_short_name(events_by_name: Mapping[str, int]) -> Mapping[str, int]:
    if max(map(len, events_by_name), default=0) <= _NAME_MAX:
        return events_by_name
    counts: Counter[str] = Counter()
    for name, events in events_by_name.items():
        counts[short_name(name)] += events
    return counts


def short_name(name: str) -> str:
    """The name as the sketch keeps it; two long names stay two."""
    if len(name) <= _NAME_MAX:
        return name
    return f"{name[: _NAME_MAX - 9]}…{blake2s(name.encode(), digest_size=4).hexdigest()}"


def distinct_users(many: Iterable[Users]) -> Estimate:
    """Distinct users over all partitions."""
    merged = HyperLogLog()
    for users in many:
        merged = merged.merged(users.distinct)
    return merged.estimate()


def most_active_users(many: Iterable[Users], at_most: int) -> list[ActiveUser]:
    """The most active users over all partitions, most active first."""
    merged = FrequentItems()
    for users in many:
        merged = merged.merged(users.active)
    error = merged.error
    found = [ActiveUser(name, count + error, count, count + error) for name, count in merged.counts.items()]
    return sorted(found, key=lambda user: (-user.count, user.name))[:at_most]
