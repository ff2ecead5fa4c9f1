"""How many users there are and who is most active, approximately and in bounded space (Apache DataSketches).

Sketches are values here: a changed one is a new one, so that a state that was handed on never changes.
"""

from base64 import b64decode, b64encode
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from hashlib import blake2s

from datasketches import frequent_items_error_type, frequent_strings_sketch, hll_sketch, hll_union, tgt_hll_type

# 2**12 registers of 4 bits: 2 KB, standard error 1.6 %.
_DISTINCT_LG_K = 12
# At most 192 names: 1.4 % of all events is the largest error of a count.
_ACTIVE_LG_MAP = 8
# Names are cut so that the sketch of 192 longest names in 4-byte characters stays below 32 KB as text.
_NAME_MAX = 28


@dataclass(frozen=True)
class Estimate:
    """An approximate count with its bounds (two standard deviations)."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class ActiveUser:
    """``name`` is cut with a hash at its end where it is longer than the sketch keeps."""

    name: str
    count: int
    low: int
    high: int


@dataclass(frozen=True)
class Users:
    """Distinct and most active users as serialised sketches."""

    distinct: bytes
    active: bytes

    @classmethod
    def nobody(cls) -> "Users":
        return _nobody()

    @classmethod
    def from_text(cls, distinct: str, active: str) -> "Users":
        return cls(b64decode(distinct), b64decode(active))

    def to_text(self) -> tuple[str, str]:
        return b64encode(self.distinct).decode(), b64encode(self.active).decode()

    def seen(self, events_by_name: Mapping[str, int]) -> "Users":
        """With further events of these users."""
        distinct = hll_sketch.deserialize(self.distinct)
        active = frequent_strings_sketch.deserialize(self.active)
        for name, events in events_by_name.items():
            distinct.update(name)
            active.update(short_name(name), events)
        return Users(distinct.serialize_compact(), active.serialize())


@cache
def _nobody() -> Users:
    distinct = hll_sketch(_DISTINCT_LG_K, tgt_hll_type.HLL_4)
    return Users(distinct.serialize_compact(), frequent_strings_sketch(_ACTIVE_LG_MAP).serialize())


def short_name(name: str) -> str:
    """The name as the sketch keeps it; two long names stay two."""
    if len(name) <= _NAME_MAX:
        return name
    return f"{name[: _NAME_MAX - 9]}…{blake2s(name.encode(), digest_size=4).hexdigest()}"


def distinct_users(many: Iterable[Users]) -> Estimate:
    """Distinct users over all partitions."""
    union = hll_union(_DISTINCT_LG_K)
    for users in many:
        union.update(hll_sketch.deserialize(users.distinct))
    return Estimate(union.get_estimate(), union.get_lower_bound(2), union.get_upper_bound(2))


def most_active_users(many: Iterable[Users], at_most: int) -> list[ActiveUser]:
    """The most active users over all partitions, most active first."""
    merged = frequent_strings_sketch(_ACTIVE_LG_MAP)
    for users in many:
        merged.merge(frequent_strings_sketch.deserialize(users.active))
    rows = merged.get_frequent_items(frequent_items_error_type.NO_FALSE_NEGATIVES)
    found = [ActiveUser(name, int(count), int(low), int(high)) for name, count, low, high in rows]
    return sorted(found, key=lambda user: (-user.count, user.name))[:at_most]
