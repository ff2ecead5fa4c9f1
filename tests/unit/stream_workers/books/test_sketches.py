"""Users in bounded space, held against exact counts; and what was stored before is read on."""

import json
from base64 import b64decode
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream_workers.books.sketches import frequent_items, hyperloglog, hyperloglog_bytes
from stream_workers.books.sketches.frequent_items import MOST, FrequentItems
from stream_workers.books.sketches.hyperloglog import FEW, RANK_MAX, SLOTS, HyperLogLog
from stream_workers.books.users import Users, distinct_users, most_active_users

# By datasketches 5.2.0: `user 0`, `user 1`, … in one batch, the n-th of them n % 9 + 1 times.
STORED = json.loads(Path(__file__).with_name("datasketches.json").read_text())

names = st.sampled_from([f"user {index}" for index in range(40)])
batches = st.lists(st.dictionaries(names, st.integers(1, 9), max_size=30), max_size=8)
sketched = st.frozensets(st.integers(1 << 26, (RANK_MAX << 26) - 1), max_size=FEW).map(HyperLogLog) | st.binary(
    min_size=1, max_size=64
).map(lambda some: HyperLogLog(slots=bytes(byte % (RANK_MAX + 1) for byte in (some * SLOTS)[:SLOTS])))


def events(users: int) -> dict[str, int]:
    return {f"user {index}": index % 9 + 1 for index in range(users)}


@pytest.mark.parametrize("stored", STORED, ids=lambda stored: f"{stored['users']} users")
def test_what_the_library_stored_goes_on(stored: Mapping[str, Any]) -> None:
    seen = events(stored["users"])
    read = Users.from_text(stored["distinct"], stored["active"])
    ours = Users().seen(seen)
    assert read.distinct == ours.distinct
    assert read.seen(seen).distinct == ours.distinct
    assert read.active.total == sum(seen.values())
    for user in most_active_users([read], MOST):
        assert user.low <= seen[user.name] <= user.high
    # Four bits a slot, or the coupons: what the library reads is what it would have written.
    written, by_library = hyperloglog_bytes.to_bytes(ours.distinct), b64decode(stored["distinct"])
    assert written[:4] == by_library[:4]
    assert sorted(written[16:]) == sorted(by_library[16:]) if ours.distinct.slots else len(written) == len(by_library)
    assert Users.from_text(*read.to_text()) == read


@given(st.sets(st.text(max_size=12), max_size=60), st.sets(st.text(max_size=12), max_size=60))
def test_few_users_are_counted_exactly(some: set[str], others: set[str]) -> None:
    first, second = Users().seen(dict.fromkeys(some, 1)), Users().seen(dict.fromkeys(others, 1))
    estimate = distinct_users([first, second])
    assert estimate.low == estimate.value == estimate.high == len(some | others)


def test_the_last_of_few_is_still_exact() -> None:
    assert distinct_users([Users().seen(events(FEW))]).value == FEW
    assert distinct_users([Users().seen(events(FEW + 1))]).value != FEW + 1


@pytest.mark.parametrize("count", [FEW + 1, 1_000, 4_000, 20_000, 300_000])
def test_many_users_are_within_the_bounds(count: int) -> None:
    estimate = distinct_users([Users().seen(events(count))])
    assert estimate.low <= count <= estimate.high
    assert estimate.high - estimate.low < 0.07 * count


@pytest.mark.parametrize("count", [500, 3_000, 9_000])
def test_an_estimate_is_neither_too_high_nor_too_low_on_the_whole(count: int) -> None:
    """Of forty disjoint crowds: the mean is off by less than its own spread, one by no more than is said."""
    errors = []
    for crowd in range(40):
        sketch = HyperLogLog().seen(f"{crowd}/{index}" for index in range(count))
        errors.append(sketch.estimate().value / count - 1)
    assert abs(sum(errors) / 40) < 0.016 / 40**0.5 * 2
    assert (sum(error**2 for error in errors) / 40) ** 0.5 < 0.02


@given(batches, st.integers(1, 8), st.integers(0, 30))
def test_whatever_the_order_and_the_cut_the_same_users_are_the_same_sketch(
    cut: list[dict[str, int]], parts: int, few: int
) -> None:
    with mock.patch.object(hyperloglog, "FEW", few):
        whole = HyperLogLog().seen([name for batch in cut for name in batch])
        apart = [HyperLogLog() for _ in range(parts)]
        for place, batch in enumerate(reversed(cut)):
            apart[place % parts] = apart[place % parts].seen(batch)
        merged = HyperLogLog()
        for one in apart:
            merged = merged.merged(one)
    assert merged == whole
    assert bool(whole.slots) == (len({name for batch in cut for name in batch}) > few)


@given(batches, st.integers(1, 8), st.integers(1, 12))
def test_every_true_count_is_within_its_bounds(cut: list[dict[str, int]], parts: int, most: int) -> None:
    exact: Counter[str] = Counter()
    apart = [FrequentItems() for _ in range(parts)]
    with mock.patch.object(frequent_items, "MOST", most):
        for place, batch in enumerate(cut):
            exact.update(batch)
            apart[place % parts] = apart[place % parts].counted(batch)
        merged = FrequentItems()
        for one in apart:
            merged = merged.merged(one)
    assert merged.total == exact.total()
    assert merged.error * (most + 1) <= merged.total
    assert len(merged.counts) == min(most, len(exact))
    for name, count in exact.items():
        assert merged.counts.get(name, 0) <= count <= merged.counts.get(name, 0) + merged.error


def test_who_is_active_is_found_in_a_crowd() -> None:
    users = [Users() for _ in range(4)]
    for batch in range(200):
        crowd = {f"{batch}/{index}": 1 for index in range(300)}
        users[batch % 4] = users[batch % 4].seen(crowd | {"ada": 20, "bob": 10})
    ada, bob, *others = most_active_users(users, 20)
    assert (ada.name, bob.name, len(others)) == ("ada", "bob", 18)
    assert ada.low <= 4_000 <= ada.high
    assert bob.low <= 2_000 <= bob.high
    assert ada.high - ada.low <= 200 * 330 / (MOST + 1)


@given(sketched)
def test_distinct_users_survive_the_changelog(sketch: HyperLogLog) -> None:
    data = hyperloglog_bytes.to_bytes(sketch)
    assert hyperloglog_bytes.from_bytes(data) == sketch
    assert len(data) <= (2_088 if not sketch.slots else 2_088 + 4 * SLOTS)


@given(st.dictionaries(st.text(max_size=28), st.integers(0, 2**60), max_size=40), st.integers(1, 2**63))
def test_active_users_survive_the_changelog(counts: dict[str, int], total: int) -> None:
    sketch = FrequentItems(counts, total, 7)
    assert frequent_items.from_bytes(frequent_items.to_bytes(sketch)) == sketch


@given(st.sampled_from(STORED), st.integers(0, 3_000), st.binary(max_size=12))
def test_what_is_no_sketch_is_an_error_of_its_value(stored: Mapping[str, Any], cut: int, junk: bytes) -> None:
    for kind, read in (("distinct", hyperloglog_bytes.from_bytes), ("active", frequent_items.from_bytes)):
        data = b64decode(stored[kind])
        for broken in (data[:cut], data[:cut] + junk + data[cut + len(junk) :], junk):
            try:
                read(broken)
            except ValueError:
                continue
