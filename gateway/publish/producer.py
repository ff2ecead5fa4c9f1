"""One idempotent producer that is either trusted or condemned. The only place that touches aiokafka's producer inside.

After any failed send its sequence numbers are no longer to be trusted, and "failed" may still mean "written"
(protocol, rule 1). So the first failure condemns it: it is aborted, never stopped, because stopping flushes.
"""

import asyncio
import math
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Any

from aiokafka.client import AIOKafkaClient
from aiokafka.conn import AIOKafkaConnection
from aiokafka.errors import (
    InvalidTimestampError,
    KafkaError,
    KafkaTimeoutError,
    MessageSizeTooLargeError,
    RecordListTooLargeError,
)
from aiokafka.partitioner import murmur2
from aiokafka.producer.message_accumulator import BatchBuilder
from aiokafka.structs import RecordMetadata

from gateway.publish.events import Event
from runtime.kafka.clients import Kafka
from runtime.kafka.uncut import uncut

MAX_BATCH_BYTES = 512 * 1024
_METADATA_SECONDS = 0.1

_CONTENT_ERRORS = (MessageSizeTooLargeError, RecordListTooLargeError, InvalidTimestampError)


# A partition's number, its batch, and the events in it.
_Packed = tuple[int, BatchBuilder, Sequence[Event]]


class SendError(Exception):
    """A send failed; the producer is condemned. What was handed to it may or may not be on the topic."""


class ContentRefusedError(SendError):
    """A broker refused a batch for what it contains; nothing later of its partition was handed over.

    ``refused`` holds the events of the refused batches, ``unsent`` what was to follow: all of it is surely not on the
    topic, and the rest of the same call surely is.
    """

    def __init__(self, refused: Sequence[Event], unsent: Sequence[Event], reason: str) -> None:
        super().__init__(reason)
        self.refused, self.unsent = refused, unsent


class Producer:
    """Sends events to one topic; ``acknowledged`` is the next offset after the last acknowledged one, per partition."""

    def __init__(self, *, kafka: Kafka, topic: str, request_seconds: float, batch_bytes: int = MAX_BATCH_BYTES) -> None:
        self.acknowledged: dict[int, int] = {}
        self._topic, self._request_seconds = topic, request_seconds
        self._kafka = kafka.producer(
            client_id="headgate-gateway",
            enable_idempotence=True,
            acks="all",
            compression_type="snappy",  # aiokafka's lz4 is at its slowest level: many times the time, a little smaller
            max_batch_size=min(batch_bytes, MAX_BATCH_BYTES),
            request_timeout_ms=int(request_seconds * 1000),
            metadata_max_age_ms=30_000,
        )
        # aiokafka fails a batch that found no leader within the request timeout, after it took its sequence number:
        # each outage would condemn the producer. Without that limit it waits for the leader and goes on in sequence.
        self._kafka._message_accumulator._batch_ttl = math.inf
        _pace_metadata(self._kafka.client)

    async def start(self) -> None:
        """Connect, and learn the topic's partitions. Raises KafkaError where no broker answers or there is no topic."""
        await uncut(self._kafka.start())
        await self._kafka.partitions_for(self._topic)

    async def send(self, events: Sequence[Event]) -> None:
        """Hand the events over and wait until every one is acknowledged, however long the broker is away.

        Order per user is the order given. Raises ContentRefusedError or SendError, and is then of no further use.
        """
        shares = self._shares(events)
        while shares:
            # One batch of each partition at a time: what follows a refused one would overtake it.
            wave = [self._build(number, share) for number, share in shares.items()]
            await self._send_wave(wave, shares)
            left = {number: shares[number][len(batch) :] for number, _, batch in wave}
            shares = {number: share for number, share in left.items() if share}

    async def _send_wave(self, wave: Sequence[_Packed], shares: Mapping[int, Sequence[Event]]) -> None:
        sent = [await self._submit(builder, number) for number, builder, _ in wave]
        outcomes = await asyncio.gather(*sent, return_exceptions=True)
        failed = [(packed, outcome) for packed, outcome in zip(wave, outcomes, strict=True) if _is_error(outcome)]
        if not failed:
            for (_, _, batch), outcome in zip(wave, outcomes, strict=True):
                self._acknowledge(outcome, len(batch))
            return
        reason = repr(failed[0][1])
        if not all(isinstance(outcome, _CONTENT_ERRORS) for _, outcome in failed):
            raise SendError(reason)
        refused = [event for (_, _, batch), _ in failed for event in batch]
        unsent = [event for number, _, batch in wave for event in shares[number][len(batch) :]]
        raise ContentRefusedError(refused, unsent, reason)

    def _shares(self, events: Sequence[Event]) -> dict[int, Sequence[Event]]:
        count = len(self._kafka.client.cluster.partitions_for_topic(self._topic) or ())
        if not count:
            raise SendError(f"the brokers know no topic {self._topic} (any more)")
        by_partition: dict[int, list[Event]] = defaultdict(list)
        for event in events:
            by_partition[_hash(event.user_name) % count].append(event)
        return dict(by_partition)

    def _build(self, number: int, share: Sequence[Event]) -> _Packed:
        """One batch with as many of these events as it holds: at least one, whatever its size."""
        builder, taken = self._kafka.create_batch(), 0
        while taken < len(share) and _append(builder, share[taken]) is not None:
            taken += 1
        builder.close()
        return number, builder, share[:taken]

    async def _submit(self, builder: BatchBuilder, number: int) -> asyncio.Future[RecordMetadata]:
        """Queue one batch. A full queue means that the broker is away: nothing was taken, the same batch waits on."""
        while True:
            try:
                sent: asyncio.Future[RecordMetadata] = await self._kafka.send_batch(
                    builder, self._topic, partition=number
                )
            except KafkaTimeoutError:
                continue
            except KafkaError as error:
                raise SendError(repr(error)) from error
            return sent

    def _acknowledge(self, outcome: RecordMetadata | BaseException, count: int) -> None:
        # A broker that had seen the batch before (a retry) does not say where: then the position stays behind, which
        # costs a little reading after a crash and nothing else.
        if isinstance(outcome, RecordMetadata) and outcome.offset >= 0:
            self.acknowledged[outcome.partition] = outcome.offset + count

    async def abort(self) -> None:
        """Cut every connection and end the sender: after this nothing more is sent, and what is queued is dropped.

        Whoever still waits in ``send`` waits for ever: cancel that task first.
        """
        kafka = self._kafka
        kafka._closed = True
        sender = kafka._sender._sender_task
        if sender is not None:
            sender.cancel()
        self._cut()
        if sender is not None:
            # It ends when each of its requests has; one that still waits for a connection takes the request timeout.
            await asyncio.wait({sender}, timeout=self._request_seconds)
            if sender.done() and not sender.cancelled():
                sender.exception()  # looked at, and of no interest any more
        self._cut()
        await kafka.client.close()
        kafka.client._conns = _ClosedConnections()

    def _cut(self) -> None:
        for connection in self._kafka.client._conns.values():
            if connection._writer is not None:
                connection._writer.transport.abort()

    async def stop(self) -> None:
        """Close in good order; only for a producer that has nothing outstanding."""
        await self._kafka.stop()


class _ClosedConnections(dict[Any, AIOKafkaConnection]):
    """For a client that was closed while one of its requests waited for a connection: what comes late is closed too."""

    def __setitem__(self, key: Any, connection: AIOKafkaConnection) -> None:
        super().__setitem__(key, connection)
        connection.close()


def _append(builder: BatchBuilder, event: Event) -> object | None:
    """None where the batch has no room for it."""
    appended: object | None = builder.append(
        timestamp=event.timestamp_ms, key=event.key, value=event.value, headers=event.headers
    )
    return appended


def _is_error(outcome: object) -> bool:
    return isinstance(outcome, BaseException)


def _pace_metadata(client: AIOKafkaClient) -> None:
    """Where a partition has no leader or the topic is gone, aiokafka asks for metadata as fast as it is answered."""
    ask: Callable[[], asyncio.Future[bool]] = client.force_metadata_update

    def paced() -> asyncio.Future[bool]:
        loop = asyncio.get_running_loop()
        later: asyncio.Future[bool] = loop.create_future()
        ask().add_done_callback(lambda asked: loop.call_later(_METADATA_SECONDS, _pass_on, asked, later))
        return later

    client.force_metadata_update = paced  # type: ignore[method-assign]


def _pass_on(asked: asyncio.Future[bool], later: asyncio.Future[bool]) -> None:
    if not later.done():
        later.set_result(not asked.cancelled() and asked.exception() is None and asked.result())


# Bounded in bytes as well: a name takes at most a kilobyte.
@lru_cache(maxsize=16_384)
def _hash(user_name: str) -> int:
    """Where Kafka's default partitioner puts this key; kept, because aiokafka computes it in Python."""
    return int(murmur2(user_name.encode())) & 0x7FFFFFFF
