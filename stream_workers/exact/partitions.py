"""The partitions that this worker owns, each folded exactly once into one state.

A batch is applied in memory at once; the state is written to the table at most every ``write_seconds``, and only then
is the batch acknowledged. Where to read is always the state's own ``last_offset + 1``, so a crash at any moment repeats
at most what was never written.
"""

import asyncio
import logging
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Generic, cast

from faust.types import TP, EventT

from runtime.kafka.records import KafkaRecord
from stream_workers.errors import (
    HoleError,
    KafkaAwayError,
    PartitionsDifferError,
    RecreatedTopicError,
    StateNotWrittenError,
)
from stream_workers.exact.ledger import Book, FoldedPartlyError, S, following, rank, rank_of, with_empty
from stream_workers.exact.telemetry import Telemetry
from stream_workers.kafka.batches import Batch, BatchApp, StateTable
from stream_workers.kafka.broker import Broker

log = logging.getLogger(__name__)

# Below every rank: what was written last is not what counts.
_NEVER = (-1, -2)


@dataclass(eq=False)
class Owned(Generic[S]):
    """One partition of this worker; ``unacked`` is the newest batch inside ``state`` that is not acknowledged yet."""

    partition: int
    state: S
    written: tuple[int, int]
    unacked: EventT[bytes] | None = None
    gap_at: int | None = None
    waited_at: int | None = None

    @property
    def dirty(self) -> bool:
        return rank_of(self.state) != self.written


@dataclass
class Figures:
    """What happened since the start, for people and dashboards."""

    batches: int = 0
    events: int = 0
    writes: int = 0
    gaps: int = 0
    rewinds: int = 0
    stale_batches: int = 0
    mended: int = 0


class Partitions(Generic[S]):
    """Folds what the agent is given; ``assign`` tells the consumer where to read."""

    def __init__(
        self,
        app: BatchApp,
        table: StateTable,
        book: Book[S],
        broker: Broker,
        *,
        write_seconds: float,
        telemetry: Telemetry,
    ) -> None:
        self._telemetry = telemetry
        self.owned: dict[int, Owned[S]] = {}
        self.figures = Figures()
        self._app = app
        self._table = table
        self._book = book
        self._broker = broker
        self._write_seconds = write_seconds
        self._noted: dict[int, bytes] = {}
        self._dirty = asyncio.Event()
        self._rewinds: asyncio.Queue[tuple[int, int]] = asyncio.Queue()

    @property
    def table_name(self) -> str:
        return self._book.kind.table

    async def assign(self, partitions: set[int]) -> Mapping[int, int]:
        """Load the states of newly assigned partitions, check them against the topic; return where to read each."""
        self.owned = {}
        if not partitions:
            return {}
        source = self._app.source
        await self._check_partitions(partitions)
        topic_id = await self._broker.known_topic_id(source)
        firsts = await self._broker.first_offsets(source, partitions)
        ends = await self._broker.end_offsets(source, partitions)
        loaded = {}
        for partition in sorted(partitions):
            state = self._load(partition, topic_id, firsts[partition])
            self._check(partition, state, topic_id=topic_id, first=firsts[partition], end=ends[partition])
            loaded[partition] = Owned(partition, state, rank_of(state))
        for partition, value in self._noted.items():
            if partition in loaded and (rank(value) or _NEVER)[0] > loaded[partition].state.edition:
                state = self._book.decode(value)
                loaded[partition] = Owned(partition, state, rank_of(state))
        self._noted.clear()
        self.owned = loaded
        positions = {partition: owned.state.last_offset for partition, owned in loaded.items()}
        generation = self._app.consumer_generation_id
        log.info("partitions assigned", extra={"generation": generation, "positions": positions})
        return {partition: owned.state.last_offset + 1 for partition, owned in loaded.items()}

    async def take(self, event: EventT[bytes]) -> None:
        """Apply one batch: what is new of it, in order, without a gap; a gap is read again."""
        batch = cast("Batch", event.message)
        try:
            await self._take(event, batch)
        finally:
            self._app.room.taken(batch.weight)

    async def _take(self, event: EventT[bytes], batch: Batch) -> None:
        owned = self.owned.get(batch.partition)
        if owned is None or batch.generation_id != self._app.consumer_generation_id:
            self.figures.stale_batches += 1
            return
        records, gap = following(batch.records, owned.state.last_offset)
        if gap:
            empty = await self._empty(owned, batch.records[-1].offset)
            records, gap = following(batch.records, owned.state.last_offset, empty)
        batch.records = ()
        if self.owned.get(owned.partition) is not owned:
            return
        if records:
            await self._fold(owned, records)
            owned.unacked = event
            owned.gap_at = None
            self._dirty.set()
        if gap and self.owned.get(owned.partition) is owned:
            await self._read_again(owned, batch.tp, gap)

    async def pass_empty_ends(self, ends: Mapping[int, int]) -> None:
        """Book what the broker confirms to hold no record where the topic ends with it: no event will come from there.

        Asked where nothing has moved since the last call; ``ends`` are those of the topic.
        """
        for partition, owned in list(self.owned.items()):
            due = owned.state.last_offset + 1
            waited, owned.waited_at = owned.waited_at == due, due
            if not waited or due >= ends.get(partition, 0):
                continue
            with suppress(KafkaAwayError):
                held = await self._broker.first_held(self._app.source, partition, due)
                if owned.state.last_offset + 1 == due:  # else a batch has come meanwhile
                    owned.state = with_empty(owned.state, held)
                    self._dirty.set()

    def seen(self, partition: int, value: bytes | None) -> None:
        """A value came by on the changelog: take it over if it is of a rebuild, write ours again if it is lower.

        Or if it is none: what was written last under a key is what compaction leaves.
        """
        order, owned = rank(value), self.owned.get(partition)
        if owned is None:
            self._take_note(partition, value)
        elif value is None or order is None or order < owned.written:
            self.figures.mended += 1
            owned.written = _NEVER
            self._dirty.set()
        elif order[0] > owned.state.edition:
            state = self._book.decode(value)
            self.owned[partition] = Owned(partition, state, order)
            log.info("a rebuilt state holds from now on", extra={"partition": partition, "edition": order[0]})
            self._rewinds.put_nowait((partition, state.last_offset + 1))

    def _take_note(self, partition: int, value: bytes | None) -> None:
        """Of a partition that is not ours yet: its state may be loaded at this very moment, before this value came."""
        if value is not None and (rank(value) or _NEVER) > (rank(self._noted.get(partition)) or _NEVER):
            self._noted[partition] = value

    async def run_rewinds(self) -> None:
        """Read again from where a state that was taken over says, for ever."""
        while True:
            partition, offset = await self._rewinds.get()
            self.figures.rewinds += 1
            await self._app.rewind(TP(self._app.source, partition), offset)

    async def run_writer(self) -> None:
        """Write what changed, for ever; between two writes of a state lie at least ``write_seconds``."""
        while True:
            await self._dirty.wait()
            self._dirty.clear()
            await self.write_all()
            await asyncio.sleep(self._write_seconds)

    async def write_all(self) -> None:
        """Write every state that changed and acknowledge what it covers."""
        changed = [owned for owned in self.owned.values() if owned.dirty]
        await asyncio.gather(*(self._write(owned) for owned in changed))

    async def _write(self, owned: Owned[S]) -> None:
        state, event = owned.state, owned.unacked
        value = self._book.encode(state)
        try:
            await self._table.write(owned.partition, value)
        except Exception as error:
            raise StateNotWrittenError(
                f"Kafka did not take the state of partition {owned.partition} up to offset {state.last_offset}: "
                f"{error!r}. Nothing is lost: the next start goes on from the last state that Kafka has."
            ) from error
        self.figures.writes += 1
        owned.written = max(owned.written, rank_of(state))
        if event is not None:
            event.ack()
            if owned.unacked is event:
                owned.unacked = None

    async def _fold(self, owned: Owned[S], records: Sequence[KafkaRecord]) -> None:
        began = time.perf_counter()
        try:
            owned.state = await self._book.fold(owned.partition, owned.state, records)
        except FoldedPartlyError as partly:
            owned.state = partly.state
            await self._write(owned)
            raise partly.reason from partly
        self.figures.batches += 1
        self.figures.events += len(records)
        self._telemetry.folded(owned.partition, records, seconds=time.perf_counter() - began)

    async def _read_again(self, owned: Owned[S], tp: TP, found: int) -> None:
        """Faust skipped something: go back. If a second reading finds the same, ask the broker what is there."""
        due = owned.state.last_offset + 1
        self.figures.gaps += 1
        if owned.gap_at == due:
            first = (await self._broker.first_offsets(tp.topic, [tp.partition]))[tp.partition]
            if first > due:
                raise self._hole(tp.partition, due, first - 1)
        owned.gap_at = due
        log.warning("gap: reading again", extra={"partition": tp.partition, "due": due, "found": found})
        self.figures.rewinds += 1
        await self._app.rewind(tp, due)

    async def _empty(self, owned: Owned[S], end: int) -> Mapping[int, int]:
        """What holds no record between the state and ``end``; nothing is known while the broker is silent."""
        try:
            return await self._broker.empty(self._app.source, owned.partition, owned.state.last_offset + 1, end)
        except KafkaAwayError:
            return {}

    def _load(self, partition: int, topic_id: str, first: int) -> S:
        value = self._table.load(partition)
        return self._book.fresh(topic_id, first) if value is None else self._book.decode(value)

    def _check(self, partition: int, state: S, *, topic_id: str, first: int, end: int) -> None:
        due = state.last_offset + 1
        why = None
        if state.topic_id != topic_id:
            why = f"its id is {topic_id}, the state's is {state.topic_id}"
        elif due > end:
            why = f"the state reaches to offset {state.last_offset}, the topic to {end - 1}"
        if why:
            raise RecreatedTopicError(table=self._book.kind.table, topic=self._app.source, partition=partition, why=why)
        if first > due:
            raise self._hole(partition, due, first - 1)

    def _hole(self, partition: int, start: int, end: int) -> HoleError:
        return HoleError(table=self._book.kind.table, topic=self._app.source, partition=partition, start=start, end=end)

    async def _check_partitions(self, partitions: set[int]) -> None:
        """A partition whose changelog partition is not ours would be counted from nothing, one without any nowhere."""
        changelog = self._table.changelog_topic.get_topic_name()
        ours = {tp.partition for tp in self._app.consumer.assignment() if tp.topic == changelog}
        source, states = [len(await self._broker.partitions(topic)) for topic in (self._app.source, changelog)]
        if source > states or not partitions <= ours:
            raise PartitionsDifferError(
                topic=self._app.source, partitions=source, changelog=changelog, changelog_partitions=states
            )
