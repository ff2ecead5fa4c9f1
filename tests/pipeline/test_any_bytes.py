"""Whatever any producer wrote: nothing stops, and the good events around it are counted, journaled and recovered."""

import asyncio
import gzip
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
import uuid_utils.compat as uuids
from aiokafka.codec import gzip_encode, lz4_encode, snappy_encode, zstd_encode
from aiokafka.errors import NotLeaderForPartitionError, UnknownTopicOrPartitionError
from aiokafka.protocol.produce import ProduceRequest
from aiokafka.structs import TopicPartition
from httpx import AsyncClient, TransportError
from typer.testing import CliRunner

from cli.main import add_asked_for, app
from cli.settings import Shape
from cli.topics.create import create
from cli.topics.tail import printed
from contracts import Topics
from gateway.publish.topic_scan import present
from runtime.kafka.clients import Kafka
from stream_workers.books.repair import rebuild_counters
from stream_workers.books.states import journal_positions, metrics_totals
from stream_workers.kafka.broker import Broker
from stream_workers.kafka.reader import batches, bounds
from stream_workers.letters.letters import newest_letters, read_letters
from stream_workers.web.look.tail import Tail, event_of
from tests.pipeline.workers import WorkerProcess, environment, produce
from tests.raw_batches import Raw, RawBatch, gzipped
from tests.records import good

pytestmark = pytest.mark.timeout(300)

ODD_NAME = Raw(b"{}", None, ((b"na\xffme\x1b[31m", b"1"),))
ANYTHING = {
    "a name that is no UTF-8": RawBatch([ODD_NAME]),
    "the same among others": RawBatch([Raw(), ODD_NAME, Raw()]),
    "nothing": RawBatch([Raw(None, None)]),
    "empty everything": RawBatch([Raw(b"", b"", ((b"", b""), (b"", None)))]),
    "ten thousand headers": RawBatch([Raw(headers=[(b"h", b"v")] * 10_000)]),
    "headers larger than the value": RawBatch(
        [Raw(bytes(852_000), None, [(b"h", b"")] * 64_000)], codec=1, packed=gzipped
    ),
    "a large value": RawBatch([Raw(b"x" * 1_048_000)]),
    "equal bytes in gzip": RawBatch([Raw(b"x" * 7_000_000)], codec=1, packed=gzipped),
    "more than is unpacked": RawBatch([Raw(bytes(64 << 20))], codec=1, packed=gzipped),
    "gzip with something after it": RawBatch([Raw()], codec=1, packed=lambda plain: gzip.compress(plain) + b"\1\2\3"),
    "gzip of another sum": RawBatch([Raw()], codec=1, packed=lambda plain: gzip.compress(plain)[:-8] + bytes(8)),
    "gzip": RawBatch([Raw(), ODD_NAME], codec=1, packed=gzip_encode),
    "snappy": RawBatch([Raw(), ODD_NAME], codec=2, packed=snappy_encode),
    "lz4": RawBatch([Raw(), ODD_NAME], codec=3, packed=lz4_encode),
    "zstd": RawBatch([Raw(), ODD_NAME], codec=4, packed=zstd_encode),
    "broken zstd": RawBatch([Raw()], codec=4, packed=lambda plain: zstd_encode(plain)[:-3]),
    "no time": RawBatch(timestamp=-1),
    "the first time": RawBatch(timestamp=0),
    "the last time": RawBatch(timestamp=2**63 - 1),
    "before all times": RawBatch(timestamp=-(2**63)),
    "unknown attributes": RawBatch(attributes=0x4000),
    "an unknown codec": RawBatch(codec=6),
}


# What a broker says of a topic that was made just now.
NOT_YET = {UnknownTopicOrPartitionError.errno, NotLeaderForPartitionError.errno}


def is_small(batch: RawBatch) -> bool:
    """Whether it may be sent often."""
    return sum(len(record.value or b"") + len(record.headers) for record in batch.records) < 20_000


async def send_raw(kafka: Kafka, topic: str, many: Sequence[RawBatch], *, partition: int = 0) -> int:
    """Hand batches to the broker as they are; how many records it took."""
    client = kafka.client()
    await client.bootstrap()
    try:
        client.add_topic(topic)
        while (leader := client.cluster.leader_for_partition(TopicPartition(topic, partition))) in {None, -1}:
            await client.force_metadata_update()
            await asyncio.sleep(0.05)
        taken = 0
        for batch in many:
            request = ProduceRequest(None, -1, 10_000, [(topic, [(partition, batch.to_bytes())])])
            while (error := _error(await client.send(leader, request))) in NOT_YET:
                await client.force_metadata_update()
                await asyncio.sleep(0.05)
            taken += len(batch.records) if error == 0 else 0
        return taken
    finally:
        await client.close()


def _error(answer: Any) -> int:
    [(_, [(_, error, *_)])] = answer.topics
    return int(error)


async def transaction(kafka: Kafka, topics: Topics, *, commit: bool) -> None:
    """Two good events by a transactional producer, in partition 0."""
    producer = kafka.producer(transactional_id=f"{topics.prefix}-{commit}")
    await producer.start()
    try:
        await producer.begin_transaction()
        for number in range(2):
            event = good(number)
            await producer.send_and_wait(
                topics.applications, event.value, event.key, partition=0, headers=list(event.headers)
            )
        await (producer.commit_transaction() if commit else producer.abort_transaction())
    finally:
        await producer.stop()


@asynccontextmanager
async def workers(kafka: Kafka, topics: Topics, logs: Path, *, patience: int = 8) -> AsyncIterator[list[WorkerProcess]]:
    env = environment(kafka, topics, WORKER_STUCK_SECONDS=str(patience))
    both = [WorkerProcess(kind, env, logs / f"{kind}.log", fresh=True) for kind in ("metrics", "journal")]
    for worker in both:
        worker.start()
    try:
        yield both
    finally:
        for worker in both:
            worker.kill()


async def until_read(kafka: Kafka, topics: Topics, both: Sequence[WorkerProcess]) -> None:
    """Wait until both books reach the topic's end; neither worker may end."""
    ends = {partition: end for partition, (_, end) in (await bounds(kafka, topics.applications)).items() if end}
    deadline = asyncio.get_running_loop().time() + 120
    while asyncio.get_running_loop().time() < deadline:
        for worker in both:
            assert worker.running, worker.output()[-3_000:]
        counted = {p: t.last + 1 for p, t in (await metrics_totals(kafka, topics)).items()}
        logged = {p: t.last_offset + 1 for p, t in (await journal_positions(kafka, topics)).items()}
        if all(counted.get(p) == logged.get(p) == end for p, end in ends.items()):
            return
        await asyncio.sleep(0.3)
    pytest.fail(f"of {ends} are counted {counted}, journaled {logged}")


async def test_no_record_stops_anyone(kafka: Kafka, topics: Topics, database_url: str, tmp_path: Path) -> None:
    ids = await produce(kafka, topics, 300)
    odd = 0
    for name, batch in ANYTHING.items():
        taken = await send_raw(kafka, topics.applications, [batch])
        print(name, taken)  # noqa: T201 -- what the broker itself refuses
        odd += taken
        ids += await produce(kafka, topics, 10, seed=odd)
    await transaction(kafka, topics, commit=True)
    await transaction(kafka, topics, commit=False)
    assert odd > 20
    async with workers(kafka, topics, tmp_path) as both:
        await until_read(kafka, topics, both)
        sizes = [int(line.split()[1]) for worker in both for line in memory(worker)]
    totals = await metrics_totals(kafka, topics)
    assert all(total.exact for total in totals.values())
    assert sum(total.counted for total in totals.values()) == len(ids) + 2
    assert sum(total.dead for total in totals.values()) == odd
    assert sum(total.empty for total in totals.values()) == 4  # two marks, and two events that were taken back
    logged = await journal_positions(kafka, topics)
    assert sum(position.logged for position in logged.values()) == len(ids) + 2
    assert sum(position.empty for position in logged.values()) == 4
    assert max(sizes) < 256 * 1024, sizes

    stretches = await bounds(kafka, topics.applications)
    ends = {partition: end for partition, (_, end) in stretches.items()}
    starts = dict.fromkeys(ends, 0)
    wanted = set(map(UUID, ids))
    found = await present(wanted, kafka=kafka, topic=topics.applications, starts=starts, ends=ends)
    assert found == wanted
    async for records in batches(kafka, topics.applications, stretches):
        for record in records:
            assert "\x1b" not in printed(record)
            event_of(record)
    async with await Broker.connected(kafka) as broker:
        tail = Tail(kafka, topics.applications, broker)
        await tail.read()
        await tail.close()
    letters = await read_letters(kafka, topics)
    assert len(letters) == odd
    assert len((await newest_letters(kafka, topics)).letters) > 0
    whole = {len(letter.dead.value or b""): letter for letter in letters if letter.dead.cut is None}
    assert len(whole[852_000].dead.headers) == 64_000
    assert 1_048_000 in whole
    assert any(name.startswith("na\\xffme") for letter in letters for name, _ in letter.dead.headers)

    rebuilt = await rebuild_counters(kafka, topics, progress=lambda _done, _size: None)
    assert {p: (s.total, s.dead, s.empty) for p, s in rebuilt.items()} == {
        p: (t.counted, t.dead, t.empty) for p, t in totals.items()
    }
    env = environment(kafka, topics, DATABASE_URL=database_url)
    add_asked_for(["audit"])
    audited = await asyncio.to_thread(CliRunner().invoke, app, ["audit", "--json"], env=env)
    assert audited.exception is None or isinstance(audited.exception, SystemExit), audited.output
    assert json.loads(audited.stdout)["metrics"]["drift"] == 0


LARGE = good(0, description="\U0001d518" * 10_000)
HEAVY = {
    "large events that are good": RawBatch(
        [Raw(LARGE.value, LARGE.key, [(name.encode(), value) for name, value in LARGE.headers])] * 200
    ),
    "headers in all records": RawBatch([Raw(b"", None, [(b"ab", b"cd")] * 10_000)] * 10),
    "as many headers as are read": RawBatch([Raw(b"", None, [(b"ab", b"cd")] * 100_000)]),
    "a value as large as can be": RawBatch([Raw(b"x" * 8_000_000)]),
    "headers of no bytes": RawBatch([Raw(headers=[(b"", b"")] * 100_000)]),
}


# What reads the most of the topics that anybody may write to.
READING_VIEW = ("live", "dead-letters", "dead-letters?reason=invalid", "dead-letters/0/0", f"trace?id={uuids.uuid7()}")


@asynccontextmanager
async def viewed(worker: WorkerProcess) -> AsyncIterator[None]:
    """Somebody looks at all of the view, again and again."""

    async def look(path: str) -> None:
        async with AsyncClient(base_url=f"http://127.0.0.1:{worker.web_port}/api/", timeout=60) as client:
            while True:
                with suppress(TransportError):
                    await client.get(path)
                await asyncio.sleep(0.2)

    looking = [asyncio.create_task(look(path)) for path in READING_VIEW]
    try:
        yield
    finally:
        for task in looking:
            task.cancel()
        await asyncio.gather(*looking, return_exceptions=True)


async def test_a_worker_stays_small_whatever_twelve_partitions_hold(kafka: Kafka, prefix: str, tmp_path: Path) -> None:
    """Small batches that unpack to much, in bytes or in objects; counted while the view is read."""
    topics = Topics(prefix)
    await create(kafka, topics, Shape(partitions=12))
    packed = [replace(batch, codec=1, packed=gzipped) for batch in HEAVY.values()] * 2
    for partition in range(12):
        two = packed[partition % len(HEAVY) :][:2]
        taken = await send_raw(kafka, topics.applications, two, partition=partition)
        assert taken == sum(len(batch.records) for batch in two)
    async with workers(kafka, topics, tmp_path, patience=120) as both, viewed(both[0]):
        await until_read(kafka, topics, both)
        await seen_whole(both[0])
        sizes = [int(line.split()[1]) for worker in both for line in memory(worker)]
    print(sizes)  # noqa: T201 -- measured
    assert max(sizes) < 256 * 1024, sizes


async def seen_whole(worker: WorkerProcess) -> None:
    """Wait until each page has been made of all that there is now."""
    async with AsyncClient(base_url=f"http://127.0.0.1:{worker.web_port}/api/", timeout=60) as client:
        for path in READING_VIEW * 2:
            answer = await client.get(path)
            assert answer.status_code in {200, 404}, answer.text


def memory(worker: WorkerProcess) -> list[str]:
    """The line of the largest memory that a worker has ever taken."""
    assert worker.child is not None
    status = Path(f"/proc/{worker.child.process.pid}/status").read_text()
    return [line for line in status.splitlines() if line.startswith("VmHWM")]
