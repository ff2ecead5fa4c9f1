"""One thing that happened, and the record it stands in. Anybody may write to a topic: what is no entry is none."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import orjson

from stream_workers.chronicle.seen import Seen

# What each kind means for whoever reads it in the morning.
LEVELS = {
    "watching": "note",
    "gateway-came": "note",
    "gateway-left": "note",
    "gateway-silent": "warn",
    "gateway-gone": "warn",
    "gateway-taken-over": "warn",
    "worker-came": "note",
    "worker-gone": "warn",
    "worker-restarted": "note",
    "rebalance": "note",
    "kafka-away": "bad",
    "kafka-back": "ok",
    "broker-away": "warn",
    "broker-back": "ok",
    "database-away": "bad",
    "database-back": "ok",
    "dead-letters": "warn",
    "missing": "bad",
    "unpublishable": "warn",
    "deployment": "note",
    "held-back": "note",
}
_WORD_MAX = 200

Value = str | int | float


@dataclass(frozen=True, slots=True)
class Happened:
    """``at`` is in seconds since 1970; ``values`` go into the words of its ``kind``."""

    at: float
    kind: str
    values: Mapping[str, Value] = field(default_factory=dict)

    @property
    def level(self) -> str:
        """A kind that only a later version knows is worth no alarm."""
        return LEVELS.get(self.kind, "note")


@dataclass(frozen=True, slots=True)
class Entry:
    """What one look found, and what was there after it."""

    happened: Sequence[Happened]
    seen: Seen


def to_json(entry: Entry) -> bytes:
    """The value of a record."""
    return orjson.dumps({"version": 1, "happened": entry.happened, "seen": asdict(entry.seen)})


def from_json(value: bytes | None) -> Entry | None:
    """None where it is no entry, or one that only a later version can read."""
    try:
        fields = orjson.loads(value or b"")
        if fields["version"] != 1:
            return None
        return Entry([_happened(each) for each in fields["happened"]], Seen.from_fields(fields["seen"]))
    except (ValueError, TypeError, LookupError, AttributeError):
        return None


def _happened(fields: Mapping[str, Any]) -> Happened:
    values = {str(name): _value(value) for name, value in fields["values"].items()}
    return Happened(float(fields["at"]), str(fields["kind"])[:_WORD_MAX], values)


def _value(value: object) -> Value:
    return value if type(value) in {int, float} else str(value)[:_WORD_MAX]  # type: ignore[return-value]
