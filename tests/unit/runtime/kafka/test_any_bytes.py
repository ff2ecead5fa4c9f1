"""Whatever bytes a fetch brings, each offset is a record and memory stays bounded; aiokafka is as we know it."""

import inspect
import tracemalloc
import weakref
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest
from aiokafka import ConsumerRecord
from aiokafka.codec import gzip_encode, lz4_encode, snappy_encode, zstd_encode
from aiokafka.consumer import fetcher
from aiokafka.errors import CorruptRecordException
from aiokafka.structs import TopicPartition

from contracts import UNREADABLE_HEADER
from runtime.kafka import any_bytes
from runtime.kafka.any_bytes import read_any_bytes
from runtime.kafka.batch import PIECE_BYTES, UNPACKED_MAX
from runtime.kafka.fetched import PORTION_BYTES, TURN_BYTES, Fetched
from runtime.kafka.records import Form, KafkaRecord, as_consumed, as_read, lost_parts
from tests.raw_batches import Raw, RawBatch, gzipped

AT = TopicPartition("applications", 0)
GOOD = Raw(b"good", b"key", ((b"ce_id", b"1"), (b"empty", b""), (b"null", None)))
BAD_NAME = Raw(b"odd", None, ((b"a\xffb", b"1"),))
HUGE = Raw(bytes(UNPACKED_MAX))
CODECS: dict[int, Any] = {1: gzip_encode, 2: snappy_encode, 3: lz4_encode, 4: zstd_encode}


def fetched(
    batches: Sequence[RawBatch], *, at: int = 0, most: int | None = None, form: Form | None = None
) -> list[Any]:
    """The records of one answer to a fetch, through aiokafka's own fetcher."""
    raw, offset = b"", 0
    for batch in batches:
        raw += batch.at(offset).to_bytes()
        offset += len(batch.records) if batch.count is None else batch.count
    state, result = answer(raw, at, form)
    found: list[Any] = []
    while result.has_more():
        found += result.getall(most)
    assert state.position == offset
    return found


def answer(raw: bytes, at: int = 0, form: Form | None = None) -> tuple[Any, Any]:
    """Where the consumer stands, and what the fetcher keeps of an answer until it is asked for."""
    read_any_bytes()
    raw_records: Any = fetcher.MemoryRecords(raw)
    unpacked = Fetched(AT, raw_records, None, at, None, form, True, fetcher.READ_COMMITTED)
    state = SimpleNamespace(paused=False, position=at)
    state.consumed_to = lambda position: setattr(state, "position", position)
    assignment = SimpleNamespace(active=True, state_value=lambda _: state)
    return state, fetcher.FetchResult(AT, assignment=assignment, partition_records=unpacked, backoff=0)


def fetching(waiting: Mapping[TopicPartition, Any]) -> Any:
    """What aiokafka's fetcher is while it hands out what has been fetched."""
    return SimpleNamespace(
        _records=OrderedDict(waiting),
        _subscriptions=SimpleNamespace(reassignment_in_progress=False),
        _notify=lambda _: None,
        _wait_consume_future=None,
    )


def mark(record: Any) -> str | None:
    return record.headers[0][1].decode() if record.headers and record.headers[0][0] == UNREADABLE_HEADER else None


def test_a_good_record_comes_as_ever() -> None:
    [found] = fetched([RawBatch([GOOD])])
    assert (found.offset, found.key, found.value, found.timestamp) == (0, b"key", b"good", 1_795_000_000_000)
    assert found.headers == (("ce_id", b"1"), ("empty", b""), ("null", None))


def test_who_knows_the_partition_gets_records_as_they_were_read() -> None:
    """With the same in them, whatever could be read of them, and no consumer's record made of what is good."""
    batches = [RawBatch([GOOD] * 3), RawBatch([GOOD, BAD_NAME]), RawBatch([Raw()], codec=6)]
    bare = fetched(batches, form=as_read)
    assert [parts(each) for each in bare] == [parts(each) for each in fetched(batches)]
    assert not any(isinstance(each, ConsumerRecord) for each in bare[:3])
    assert as_consumed(*AT, bare) == fetched(batches)


def parts(record: KafkaRecord) -> tuple[object, ...]:
    return record.offset, record.timestamp, record.key, record.value, tuple(record.headers)


@pytest.mark.parametrize("codec", [0, *CODECS])
def test_a_name_that_is_no_text_spoils_its_own_record_only(codec: int) -> None:
    batch = RawBatch([GOOD, BAD_NAME, GOOD], codec=codec, packed=CODECS.get(codec, bytes))
    found = fetched([batch, RawBatch([GOOD])])
    assert [record.offset for record in found] == [0, 1, 2, 3]
    assert [mark(record) for record in found] == [None, "a header's name is no UTF-8", None, None]
    assert (found[1].value, found[1].headers[1]) == (b"odd", ("a\\xffb", b"1"))
    assert found[2].headers == found[0].headers
    assert [record.offset for record in fetched([batch], at=2)] == [2]


BROKEN = {
    "no gzip": RawBatch([GOOD, GOOD], codec=1, packed=lambda _: b"nothing that unpacks"),
    "no snappy": RawBatch([GOOD, GOOD], codec=2, packed=lambda _: b"\xff" * 30),
    "no lz4": RawBatch([GOOD, GOOD], codec=3, packed=lambda _: b"\xff" * 30),
    "no zstd": RawBatch([GOOD, GOOD], codec=4, packed=lambda _: b"\xff" * 30),
    "an unknown codec": RawBatch([GOOD, GOOD], codec=7),
    "xerial without its blocks": RawBatch([GOOD, GOOD], codec=2, packed=lambda plain: snappy_encode(plain)[:-3]),
    "records of no length": RawBatch([GOOD, GOOD], packed=lambda plain: b"\0" * len(plain)),
    "records beyond the batch": RawBatch([GOOD, GOOD], packed=lambda plain: b"\xfe\xff\xff\xff\x0f" + plain[5:]),
    "too much gzip": RawBatch([HUGE, GOOD], codec=1, packed=gzipped),
    "too much zstd": RawBatch([HUGE, GOOD], codec=4, packed=zstd_encode),
    "too much lz4": RawBatch([HUGE, GOOD], codec=3, packed=lz4_encode),
}


@pytest.mark.parametrize("name", BROKEN)
def test_what_cannot_be_read_is_a_marked_record_and_what_follows_is_read(name: str) -> None:
    found = fetched([RawBatch([GOOD]), BROKEN[name], RawBatch([GOOD])])
    assert [record.offset for record in found] == [0, 1, 2, 3]
    assert [bool(mark(record)) for record in found] == [False, True, True, False]
    assert all(lost_parts(record) == ("content",) for record in found[1:3])


def test_a_broken_record_leaves_those_before_it() -> None:
    cut = RawBatch([GOOD, GOOD, GOOD], packed=lambda plain: plain[:-4])
    found = fetched([cut, RawBatch([GOOD])])
    assert [record.offset for record in found] == [0, 1, 2, 3]
    assert [bool(mark(record)) for record in found] == [False, False, True, False]


def test_a_batch_that_the_network_broke_is_no_bad_record() -> None:
    """The broker holds it whole: it is fetched again, not booked."""
    raw = bytearray(RawBatch([GOOD]).to_bytes())
    raw[-1] ^= 1
    with pytest.raises(CorruptRecordException, match="checksum"):
        answer(bytes(raw))[1].getall()


@pytest.mark.parametrize("at", [-1, 0, 2**63 - 1, -(2**63)])
def test_any_timestamp_is_passed_on(at: int) -> None:
    assert [record.timestamp for record in fetched([RawBatch([GOOD], timestamp=at)])] == [at]


@pytest.mark.parametrize(("attributes", "kind", "ahead"), [(0, 0, 7), (8, 1, 0)])
def test_the_time_is_that_of_the_record_or_of_its_arrival_however_it_is_read(
    attributes: int, kind: int, ahead: int
) -> None:
    found = fetched([RawBatch([replace(GOOD, ahead=7), replace(BAD_NAME, ahead=7)], attributes=attributes)])
    assert [(record.timestamp_type, record.timestamp) for record in found] == [(kind, RawBatch().timestamp + ahead)] * 2


def test_ten_thousand_headers_are_read_and_a_million_are_not() -> None:
    [many] = fetched([RawBatch([Raw(headers=[(b"h", b"v")] * 10_000)])])
    assert (len(many.headers), mark(many)) == (10_000, None)
    [found, after] = fetched([RawBatch([Raw(headers=[(b"", b"")] * 1_000_000), GOOD], codec=1, packed=gzipped)])
    assert (mark(found), lost_parts(found), after.value) == ("1000000 headers", ("headers",), b"good")


def test_control_batches_and_batches_that_compaction_emptied_are_passed_over() -> None:
    control = RawBatch([Raw(b"\0\0\0\0\0\0", b"\0\0\0\1")], attributes=0x30)
    emptied = RawBatch([], count=0, last_delta=-1)
    assert [record.offset for record in fetched([RawBatch(), control, emptied, RawBatch()])] == [0, 2]


def test_a_small_batch_that_unpacks_to_much_becomes_objects_by_and_by() -> None:
    text = b"e" * 40_000
    batch = RawBatch([Raw(text)] * 200, codec=1, packed=gzipped)
    raw = batch.to_bytes()
    assert len(raw) < 100_000
    sizes: list[int] = []
    weights: list[int] = []
    _, result = answer(raw)
    tracemalloc.start()
    try:
        while result.has_more():
            portion = result.getall(2_000)
            sizes.append(sum(len(record.value) for record in portion))
            weights.append(portion.weight)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert sum(sizes) == 200 * 40_000
    assert all(0 < weight - size < size / 10 for size, weight in zip(sizes, weights, strict=True))
    assert max(weights) <= PORTION_BYTES + PIECE_BYTES * 1.1
    assert peak < 64 << 20


def test_headers_count_as_what_a_portion_holds() -> None:
    _, result = answer(RawBatch([Raw(headers=[(b"ab", b"cd")] * 1_000)] * 200, codec=1, packed=gzipped).to_bytes())
    weights: list[int] = []
    while result.has_more():
        weights.append(result.getall(2_000).weight)
    assert max(weights) < sum(weights) / 2


async def test_of_many_partitions_no_more_is_in_memory_than_of_one() -> None:
    large = RawBatch([Raw(b"e" * 40_000)] * 200, codec=1, packed=gzipped)
    two = b"".join(large.at(number * 200).to_bytes() for number in range(2))
    itself = fetching({TopicPartition("applications", number): answer(two)[1] for number in range(12)})
    weights, taken, amid = [], 0, 0
    tracemalloc.start()
    try:
        while itself._records:
            got = await fetcher.Fetcher.fetched_records(itself, (), 0, 2_000)
            weights.append(sum(portion.weight for portion in got.values()))
            taken += sum(map(len, got.values()))
            amid = max(amid, sum(result._partition_records.amid for result in itself._records.values()))
            del got
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert (taken, amid) == (12 * 400, 1)
    assert max(weights) <= PORTION_BYTES + PIECE_BYTES * 1.1
    assert peak < 40 << 20


async def test_ordinary_partitions_are_read_to_their_ends_one_after_the_other() -> None:
    """So that the next is fetched of one while others are handed out."""
    events = b"".join(RawBatch([GOOD] * 500).at(number * 500).to_bytes() for number in range(8))
    itself = fetching({TopicPartition("applications", number): answer(events)[1] for number in range(3)})
    order: list[int] = []
    while itself._records:
        order += [at.partition for at in await fetcher.Fetcher.fetched_records(itself, (), 0, 500)]
    assert order == sorted(order)
    assert len(order) == 24


async def test_each_turn_is_a_whole_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also the later ones: were a partition's second turn a single portion, all would come to their ends together."""
    events = b"".join(RawBatch([GOOD] * 500).at(number * 500).to_bytes() for number in range(6))
    one = answer(events)[1].getall(500).weight
    monkeypatch.setattr(any_bytes, "TURN_BYTES", 2 * one)
    itself = fetching({TopicPartition("applications", number): answer(events)[1] for number in range(2)})
    order: list[int] = []
    while itself._records:
        order += [at.partition for at in await fetcher.Fetcher.fetched_records(itself, (), 0, 500)]
    assert order == [0, 0, 1, 1] * 3


async def test_who_has_much_does_not_hold_up_the_others() -> None:
    many = b"".join(
        RawBatch([Raw(b"e" * 40_000)] * 150, codec=1, packed=gzipped).at(n * 150).to_bytes() for n in range(8)
    )
    busy, calm = (TopicPartition("applications", number) for number in range(2))
    itself = fetching({busy: answer(many)[1], calm: answer(RawBatch().to_bytes())[1]})
    for _ in range(TURN_BYTES // PORTION_BYTES + 2):
        if calm in await fetcher.Fetcher.fetched_records(itself, (), 0, 2_000):
            return
    pytest.fail("nothing of the other partition")


def test_no_portion_is_empty_while_records_are_left() -> None:
    """Whoever gets nothing waits for the next answer to a fetch."""
    _, result = answer(b"".join(RawBatch([GOOD] * 10).at(number * 10).to_bytes() for number in range(3)))
    assert [len(result.getall(10)) for _ in range(3)] == [10, 10, 10]
    assert not result.has_more()
    _, result = answer(b"".join(RawBatch([GOOD] * 10).at(number * 10).to_bytes() for number in range(3)))
    offsets = []
    while (record := result.getone()) is not None:
        offsets.append(record.offset)
    assert offsets == list(range(30))


def test_what_is_dropped_is_free_at_once() -> None:
    """Nothing of an answer waits for the garbage collector, which comes seldom here."""
    _, result = answer(RawBatch([Raw(bytes(PIECE_BYTES // 2))] * 8, codec=1, packed=gzipped).to_bytes())
    result.getall(1)
    gone = weakref.ref(result._partition_records)
    result._partition_records = None
    assert gone() is None


def test_the_private_parts_of_aiokafka_are_as_they_were() -> None:
    process = inspect.getsource(fetcher.Fetcher._proc_fetch_request)
    assert "records = MemoryRecords(part_data[-1])" in process
    assert "records.has_next()" in process
    assert "records.size_in_bytes()" in process
    answered = inspect.getsource(any_bytes._fetched_records)
    for part in ("res_or_error.getall(max_records)", "max_records -= len(drained[tp])", "if max_records == 0"):
        assert part in answered
    assert list(inspect.signature(any_bytes._fetched_records).parameters) == [
        "self",
        "partitions",
        "timeout",
        "max_records",
    ]
    of_one: Any = Fetched.__mro__[1]
    known = list(inspect.signature(of_one).parameters)
    assert [name.lstrip("_") for name in inspect.signature(Fetched).parameters] == known
    unpacked = inspect.getsource(of_one._unpack_records)
    for part in ("has_next()", "next_batch()", "validate_crc()", "is_control_batch", "is_transactional", "producer_id"):
        assert part in unpacked
    assert "next(next_batch)" in inspect.getsource(of_one._contains_abort_marker)
    assert {"_topic_partition", "_partition_records", "_update_position"} <= set(
        inspect.getsource(fetcher.FetchResult).replace("(", " ").replace(".", " ").split()
    )
