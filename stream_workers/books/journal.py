"""The journal: one structured line for each event, each offset at least once, with a position of its own.

The lines of a batch are written at once, and only then does the position move; after a crash some lines may come again,
with the same partition and offset.
"""

import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from typing import Any, BinaryIO, ClassVar, Literal, Self

import orjson

from contracts import is_replay
from runtime.kafka.records import KafkaRecord
from stream_workers.books.apply import AHEAD_MAX
from stream_workers.errors import LaterVersionError
from stream_workers.kafka.batches import BatchApp
from stream_workers.kafka.events import Bad, read
from stream_workers.kinds import JOURNAL, Kind
from stream_workers.settings import Settings

# 1: the first. 2: offsets without a record.
VERSION = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Position:
    """How far the journal is on one partition: logged + unreadable + missing + empty = last - first + 1."""

    topic_id: str
    first: int
    last_offset: int
    edition: int = 0
    logged: int = 0
    unreadable: int = 0
    missing: int = 0
    empty: int = 0
    newest_at: int | None = None
    consumed_at: int | None = None
    owner: str = ""

    @property
    def taken(self) -> int:
        return self.logged

    @property
    def bad(self) -> int:
        return self.unreadable

    @property
    def classes(self) -> Mapping[str, int]:
        return {
            "logged": self.logged,
            "unreadable": self.unreadable,
            "missing": self.missing,
            "empty": self.empty,
        }


class Journal:
    """Writes lines to ``out``; user names are masked unless ``user_names``; the description is never shown."""

    kind: ClassVar[Kind] = JOURNAL

    def __init__(
        self,
        out: BinaryIO,
        *,
        owner: str,
        user_names: bool,
        form: Literal["console", "json"],
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._out = out
        self._owner = owner
        self._user_names = user_names
        self._line = _json_line if form == "json" else _console_line
        self._clock = clock

    @classmethod
    def opened(cls, app: BatchApp, settings: Settings, *, owner: str) -> Self:  # noqa: ARG003 -- as every book is opened
        """Lines go to standard output."""
        names = settings.journal_user_names
        return cls(sys.stdout.buffer, owner=owner, user_names=names, form=settings.log_format)

    @staticmethod
    def fresh(topic_id: str, first: int) -> Position:
        return Position(topic_id=topic_id, first=first, last_offset=first - 1)

    @staticmethod
    def decode(value: bytes) -> Position:
        return position_from_json(value)

    @staticmethod
    def encode(state: Position) -> bytes:
        return position_to_json(state)

    async def fold(self, partition: int, state: Position, records: Sequence[KafkaRecord]) -> Position:
        """Write the lines of a batch, then say how far it reached."""
        now = self._clock()
        stamp = datetime.fromtimestamp(now, UTC).isoformat(timespec="milliseconds")[:-6] + "Z"
        now_ms = round(now * 1000)
        lines, times = [], [0]
        for record in records:
            fields, created_at = self._fields(partition, record, now_ms)
            if created_at is not None:
                times.append(created_at)
            lines.append(self._line({"timestamp": stamp, **fields}))
        self._out.write(b"".join(lines))
        self._out.flush()
        return replace(
            state,
            last_offset=records[-1].offset,
            logged=state.logged + len(times) - 1,
            unreadable=state.unreadable + len(records) - len(times) + 1,
            empty=state.empty + records[-1].offset - state.last_offset - len(records),
            newest_at=_newest(state.newest_at, times, now_ms),
            consumed_at=int(now * 1000),
            owner=self._owner,
        )

    def _fields(self, partition: int, record: KafkaRecord, now_ms: int) -> tuple[dict[str, Any], int | None]:
        event = read(record)
        where = {"partition": partition, "offset": record.offset}
        if isinstance(event, Bad):
            return {"level": "warning", "event": "unreadable", **where, "reason": event.reason}, None
        fields = {
            "level": "info",
            "event": "application",
            "id": event.id,
            **where,
            "user_name": event.user_name if self._user_names else masked(event.user_name),
            "latency_ms": now_ms - event.created_at,
        }
        if is_replay(record.headers):
            fields["replayed"] = True
        return fields, event.created_at


def _newest(known: int | None, times: Sequence[int], now: int) -> int | None:
    """The newest of these times that is not of the future: whoever writes an event may say any."""
    newest, latest = max(times), now + AHEAD_MAX
    if newest > latest:
        newest = max([at for at in times if at <= latest], default=0)
    return max(known or 0, newest) or None


def position_to_json(position: Position) -> bytes:
    """The position as the table keeps it."""
    return orjson.dumps({"version": VERSION, **asdict(position)})


def position_from_json(value: bytes) -> Position:
    """The position that the table keeps; LaterVersionError where a later version wrote it."""
    fields = orjson.loads(value)
    if (version := fields.pop("version")) > VERSION:
        raise LaterVersionError(table=JOURNAL.table, version=version, known=VERSION)
    return Position(**fields)


def masked(user_name: str) -> str:
    """Enough to recognise one's own, not enough to know somebody else's."""
    return f"{user_name[0]}***"


def _json_line(fields: dict[str, Any]) -> bytes:
    return orjson.dumps(fields, option=orjson.OPT_APPEND_NEWLINE)


def _console_line(fields: dict[str, Any]) -> bytes:
    stamp, level, event, *rest = fields
    pairs = " ".join(f"{name}={_shown(fields[name])}" for name in rest)
    return f"{fields[stamp]} [{fields[level]:<7}] {fields[event]:<11} {pairs}\n".encode()


def _shown(value: Any) -> str:
    """Text from outside never breaks a line or colours a terminal."""
    return repr(value) if isinstance(value, str) and not value.isprintable() else str(value)
