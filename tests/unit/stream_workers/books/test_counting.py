"""The pure part of counting: every offset booked once, whatever the records and however they are cut."""

import json
import re
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from unittest import mock

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contracts import UNREADABLE_HEADER, NewApplication
from stream_workers.books import breaker
from stream_workers.books.apply import AHEAD_MAX, apply
from stream_workers.books.histogram import (
    RECENT_KEPT,
    RECENT_WIDTH,
    Histogram,
    latency_bound,
    latency_bucket,
    quantile,
    since,
    size_bucket,
    with_recent,
)
from stream_workers.books.recount import recount
from stream_workers.books.series import DAY, HOUR, KEPT, MINUTE
from stream_workers.books.sketches.latencies import (
    FIVE_MINUTES,
    WINDOWS,
    Latencies,
    Past,
    longest,
    thinned,
    turned,
)
from stream_workers.books.state import VALUE_LIMIT, State, fresh, from_json, to_json
from stream_workers.books.users import distinct_users, most_active_users, short_name
from stream_workers.exact.ledger import following
from stream_workers.kafka import events
from stream_workers.kafka.events import VALUE_MAX, Bad, Seen, by_contract, canonical, read
from tests.records import NOW_MS, POISON, Record, bad, good

OFFSETS_FROM = 50

kinds = st.sampled_from(["good", "good", "good", "replayed", "bad"])
with_holes = kinds | st.just("empty")
names = st.text(st.characters(exclude_categories=["Cs", "Cc", "Zs", "Zl", "Zp"]), min_size=1, max_size=255)
times = st.integers(0, NOW_MS + 10 * DAY)


@st.composite
def topics(draw: st.DrawFn, kinds: st.SearchStrategy[str] = with_holes) -> list[Record]:
    """A topic from its first offset on; some offsets hold no record."""
    records = []
    for index, kind in enumerate(draw(st.lists(kinds, max_size=60))):
        offset = OFFSETS_FROM + index
        if kind == "bad":
            records.append(bad(offset))
        elif kind != "empty":
            at_ms, name = draw(times), draw(names)
            records.append(good(offset, user_name=name, at_ms=at_ms, replayed=kind == "replayed"))
    return records


def counted(records: list[Record], cuts: list[int] | None = None) -> State:
    state = fresh("topic", OFFSETS_FROM)
    for start, end in zip([0, *(cuts or [])], [*(cuts or []), len(records)], strict=True):
        if records[start:end]:
            state = apply(state, records[start:end], consumed_at=NOW_MS).state
    return state


@given(topics())
def test_every_offset_is_booked_once(records: list[Record]) -> None:
    state = counted(records)
    assert state.exact
    assert state.last_offset == (records[-1].offset if records else OFFSETS_FROM - 1)
    assert state.booked - state.empty == len(records)
    assert sum(state.reasons.values()) == state.dead
    assert sum(state.sizes.values()) == sum(state.latency.values()) == state.total


@given(topics(), st.data())
def test_the_cut_into_batches_makes_no_difference(records: list[Record], data: st.DataObject) -> None:
    cuts = sorted(data.draw(st.lists(st.integers(0, len(records)), max_size=6)))
    whole, parts = counted(records), counted(records, cuts)
    assert replace(whole, users=parts.users) == parts
    assert distinct_users([whole.users]) == distinct_users([parts.users])
    assert most_active_users([whole.users], 20) == most_active_users([parts.users], 20)


@given(topics(kinds), st.data())
def test_replays_overlaps_and_reordered_deliveries_do_not_count_twice(
    records: list[Record], data: st.DataObject
) -> None:
    """Whatever is delivered: only what follows without a gap is taken, and the end state is the same."""
    state = fresh("topic", OFFSETS_FROM)
    starts = data.draw(st.lists(st.integers(0, max(0, len(records) - 1)), max_size=20))
    for start in [*starts, 0]:
        delivered = records[start:] if start == 0 else records[start : start + 10]
        if not delivered:
            continue
        taken, _gap = following(delivered, state.last_offset)
        if taken:
            state = apply(state, taken, consumed_at=NOW_MS).state
    assert state.booked == len(records)
    assert state.total == counted(records).total


floods = st.lists(st.sampled_from(["good", "bad", "bad", "replayed", "empty"]), max_size=40)


@given(floods, st.integers(-1, 40), st.lists(st.integers(0, 40), max_size=6), st.data())
def test_a_recount_says_what_a_worker_would_that_had_read_the_topic_from_its_start(
    kinds: list[str], set_aside: int, cuts: list[int], data: st.DataObject
) -> None:
    """However it is cut, whatever is bad, whatever the records' times; a worker goes on where it ends."""
    with mock.patch.object(breaker, "BAD_MAX", data.draw(st.integers(0, 40))):
        records = [
            replace(bad(offset), timestamp=data.draw(times))
            if kind == "bad"
            else replace(good(offset, at_ms=data.draw(times), replayed=kind == "replayed"), timestamp=data.draw(times))
            for offset, kind in enumerate(kinds)
            if kind != "empty"
        ]
        worker, read_up_to = fresh("topic", 0), len(records)
        for place, record in enumerate(records):
            applied = apply(worker, [record], consumed_at=NOW_MS)
            if applied.tripped or (applied.bad and record.offset > set_aside):
                read_up_to = place
                break
            worker = applied.state
        rebuilt, going_on = fresh("topic", 0), True
        bounds = sorted({0, len(records), *(min(cut, len(records)) for cut in cuts)})
        for start, end in pairwise(bounds):
            if going_on:
                rebuilt, going_on = recount(rebuilt, records[start:end], set_aside=set_aside, now=NOW_MS)
        assert going_on == (read_up_to == len(records))
        assert rebuilt.exact
        expected = replace(worker, users=rebuilt.users, consumed_at=rebuilt.consumed_at)
        assert rebuilt == expected
        assert most_active_users([rebuilt.users], 20) == most_active_users([worker.users], 20)


@given(topics())
def test_a_state_survives_the_changelog(records: list[Record]) -> None:
    state = counted(records)
    value = to_json(state)
    assert from_json(value) == state
    assert to_json(from_json(value)) == value


def test_the_worst_that_can_be_sent_stays_below_the_limit() -> None:
    """Full series, all buckets, as many names as the sketch holds, each as long as it keeps, in 4-byte characters.

    Of the windows that are over, recent ones too, a few buckets are left: only the open one has all of them.
    """
    state = fresh("f" * 36, 2**60)
    offset = 2**60
    widest = [chr(0x1F600 + index) * 28 for index in range(192)]
    for day in range(KEPT[DAY] + 5):
        at = NOW_MS - (KEPT[DAY] + 5 - day) * DAY
        state = apply(state, [good(offset, user_name=widest[day % 192], at_ms=at)], consumed_at=NOW_MS).state
        offset += 1
    for minute in range(KEPT[HOUR] * 60, 0, -7):
        at = NOW_MS - minute * MINUTE
        records = [good(offset, user_name=widest[minute % 192], at_ms=at, description="x" * (minute % 9_999 + 1))]
        state = apply(state, records, consumed_at=NOW_MS + 2 ** (minute % 40)).state
        offset += 1
    for minute in range(KEPT[MINUTE], 0, -1):
        state = apply(
            state, [good(offset, user_name=widest[0], at_ms=NOW_MS - minute * MINUTE)], consumed_at=NOW_MS
        ).state
        offset += 1
    huge = 10**12
    all_buckets = dict.fromkeys(range(161), huge)
    full = Past(10**7, b"\xa1" * 8 * WINDOWS[FIVE_MINUTES])
    state = replace(
        state,
        owner="o" * 200,
        minutes=dict.fromkeys(state.minutes, huge),
        hours=dict.fromkeys(state.hours, huge),
        days=dict.fromkeys(state.days, huge),
        latency=dict.fromkeys(range(161), huge),
        recent={10**7 + RECENT_KEPT - 1: all_buckets}
        | {10**7 + closed: thinned(all_buckets) for closed in range(RECENT_KEPT - 1)},
        latencies=Latencies(full, Past(10**7, b"\xa1" * 8 * WINDOWS[HOUR]), Past(10**7, b"\xa1" * 8 * WINDOWS[DAY])),
        outcomes=(1 << breaker.WINDOW) - 1,
    )
    assert len(state.minutes) == KEPT[MINUTE]
    assert len(state.hours) == KEPT[HOUR]
    assert len(state.days) == KEPT[DAY]
    assert 40_000 < len(to_json(state)) < VALUE_LIMIT


@pytest.mark.parametrize(("reason", "record"), POISON)
def test_poison_is_told_apart_and_never_raises(reason: str, record: Record) -> None:
    event = read(record)
    assert isinstance(event, Bad)
    assert event.reason == reason
    state = apply(fresh("topic", 0), [record], consumed_at=NOW_MS).state
    assert (state.total, state.dead, state.reasons) == (0, 1, {reason: 1})


@pytest.mark.parametrize(
    "value",
    [
        b"[" + b",".join([b"[" * 100 + b"]" * 100] * 1_200) + b"]",
        b"{" + b",".join(b'"%d":1' % number for number in range(24_000)) + b"}",
        b'{"description":[' + b"{}," * 80_000 + b"{}]}",
    ],
)
@pytest.mark.parametrize("headers", [(), good(0).headers])
def test_what_takes_long_to_read_is_not_read(value: bytes, headers: tuple[tuple[str, bytes], ...]) -> None:
    """Each took from a tenth of a second to most of one."""
    assert len(value) < VALUE_MAX
    event = read(Record(0, value, headers))
    assert isinstance(event, Bad)
    assert (event.reason, "parts, at most" in event.detail) == ("oversized", True)


@pytest.mark.parametrize("sign", ["[", "{", ",", "\U0001d518", '"', "\x01"])
def test_the_largest_description_is_read_whatever_it_is_made_of(sign: str) -> None:
    event = read(good(0, user_name=sign * 255, description=sign * 10_000))
    assert isinstance(event, Seen)


def test_an_event_of_which_nobody_could_read_all_is_none_however_good_its_value_is() -> None:
    whole = good(0)
    event = read(replace(whole, headers=((UNREADABLE_HEADER, b"a name is no UTF-8"), *whole.headers)))
    assert event == Bad(0, "invalid", "a name is no UTF-8")


def test_an_event_without_headers_is_of_the_first_version() -> None:
    applied = apply(fresh("id", 0), [replace(good(0), headers=())], consumed_at=NOW_MS)
    assert (applied.state.total, applied.bad) == (1, [])


def test_event_time_is_created_at() -> None:
    state = counted([good(OFFSETS_FROM, at_ms=NOW_MS - 90 * MINUTE), good(OFFSETS_FROM + 1)])
    assert state.minutes == {NOW_MS // MINUTE - 90: 1, NOW_MS // MINUTE: 1}
    assert state.hours == {(NOW_MS - 90 * MINUTE) // HOUR: 1, NOW_MS // HOUR: 1}


def test_late_events_are_counted_where_their_series_still_reaches() -> None:
    state = counted([good(OFFSETS_FROM), good(OFFSETS_FROM + 1, at_ms=NOW_MS - 3 * HOUR)])
    assert (state.total, state.late, state.future) == (2, 1, 0)
    assert sum(state.minutes.values()) == 1
    assert sum(state.hours.values()) == 2


def test_events_of_the_future_are_counted_and_move_no_window() -> None:
    state = counted([good(OFFSETS_FROM), good(OFFSETS_FROM + 1, at_ms=NOW_MS + AHEAD_MAX + 1)])
    assert (state.total, state.future) == (2, 1)
    assert state.minutes == {NOW_MS // MINUTE: 1}
    assert state.newest_at == NOW_MS


def test_the_breaker_stops_before_the_event_that_is_too_much_and_stays_open() -> None:
    records = [bad(OFFSETS_FROM + index) for index in range(600)]
    applied = apply(fresh("topic", OFFSETS_FROM), records, consumed_at=NOW_MS)
    assert applied.tripped is not None
    assert applied.state.dead == len(applied.bad) == breaker.BAD_MAX
    assert applied.tripped.offset == applied.state.last_offset + 1
    again = apply(from_json(to_json(applied.state)), records[breaker.BAD_MAX :], consumed_at=NOW_MS)
    assert again.tripped == applied.tripped
    assert again.state.last_offset == applied.state.last_offset


def test_good_events_close_the_breaker() -> None:
    mixed = [bad(OFFSETS_FROM + index) if index % 5 < 2 else good(OFFSETS_FROM + index) for index in range(3_000)]
    applied = apply(fresh("topic", OFFSETS_FROM), mixed, consumed_at=NOW_MS)
    assert applied.tripped is None
    assert applied.state.dead == 1_200


def test_users_are_merged_over_partitions_with_bounds() -> None:
    first = counted([good(OFFSETS_FROM + index, user_name=f"user {index % 1_000}") for index in range(2_000)])
    second = counted([good(OFFSETS_FROM + index, user_name="ada") for index in range(500)])
    estimate = distinct_users([first.users, second.users])
    assert estimate.low <= 1_001 <= estimate.high
    assert estimate.high - estimate.low < 200
    ada = most_active_users([first.users, second.users], 1)[0]
    assert ada.name == "ada"
    assert ada.low <= 500 <= ada.high


def test_long_names_stay_apart() -> None:
    assert short_name("x" * 200 + "a") != short_name("x" * 200 + "b")
    assert len(short_name("x" * 255)) <= 28
    assert short_name("ada") == "ada"


@given(st.integers(-10, 2**50))
def test_a_latency_is_below_its_bucket_s_bound_by_at_most_a_fifth(milliseconds: int) -> None:
    bound = latency_bound(latency_bucket(milliseconds))
    if 1 < milliseconds <= 2**40:
        assert milliseconds <= bound * 1.000001
        assert bound < milliseconds * 1.19


def test_quantiles() -> None:
    assert quantile({}, 0.5) is None
    assert quantile({latency_bucket(8): 99, latency_bucket(1024): 1}, 0.5) == 8
    assert quantile({latency_bucket(8): 98, latency_bucket(1024): 2}, 0.99) == 1024


@given(st.integers(1, 20_000))
def test_sizes_have_a_bucket(characters: int) -> None:
    assert 0 <= size_bucket(characters) <= 10


def test_a_state_of_a_later_version_is_refused() -> None:
    with pytest.raises(ValueError, match="upgrade"):
        from_json(to_json(fresh("topic", 0)).replace(b'"version":3', b'"version":99'))


def test_a_state_of_the_first_version_is_taken_over_and_counted_on() -> None:
    value = Path(__file__).with_name("state_v1.json").read_bytes()
    state = from_json(value)
    assert (state.first, state.last_offset, state.total, state.dead, state.replayed) == (10, 51, 40, 1, 1)
    assert (state.exact, state.recent) == (True, {})
    after = apply(state, [good(52)], consumed_at=NOW_MS).state
    assert (after.exact, after.total) == (True, 41)
    assert from_json(to_json(after)) == after


def test_a_state_of_the_released_version_is_counted_on_and_knows_its_users() -> None:
    """Written when the sketches were a library's: 700 users, every fiftieth offset unreadable."""
    state = from_json(Path(__file__).with_name("state_v3.json").read_bytes())
    assert (state.first, state.last_offset, state.total, state.dead, state.exact) == (10, 1509, 1_470, 30, True)
    again = [good(1510 + index, user_name=f"user {index}") for index in range(1, 50)]
    after = apply(state, again, consumed_at=NOW_MS).state
    assert (after.exact, after.total) == (True, 1_519)
    assert len(after.recent) == len(state.recent)
    assert [sum(held.values()) for held in after.recent.values()] == [1_519]
    assert max(map(len, after.recent.values())) > 30
    later = with_latencies(after, NOW_MS + FIVE_MINUTES, 8)
    assert [len(held) <= 7 for held in later.recent.values()] == [True, True]
    assert sorted(with_latencies(later, NOW_MS + HOUR, 8).latencies.over(HOUR, 0, {})) == [NOW_MS // HOUR]
    assert after.users.distinct == state.users.distinct
    assert after.users.active.total == 1_519
    assert from_json(to_json(after)) == after


def with_latencies(state: State, at: int, *latencies: int) -> State:
    first = state.last_offset + 1
    records = [good(first + index, at_ms=at - latency) for index, latency in enumerate(latencies)]
    return apply(state, records, consumed_at=at).state


def test_latencies_of_the_past_stay_by_five_minutes_hours_and_days() -> None:
    midnight = NOW_MS // DAY * DAY
    state = fresh("topic", 0)
    for hour in range(50):
        for five in range(12):
            slow = 60_000 if hour == 30 and five == 4 else 16
            state = with_latencies(state, midnight + hour * HOUR + five * FIVE_MINUTES + 1_000, *[8] * 98, 16, slow)
    first = midnight // HOUR
    hours = state.latencies.over(HOUR, first, state.recent)
    assert sorted(hours) == list(range(first, first + 50))
    assert {quantile(held, 0.5) for held in hours.values()} == {8.0}
    assert [at - first for at, held in hours.items() if longest(held) > 50_000] == [30]
    days = state.latencies.over(DAY, 0, state.recent)
    assert {at - midnight // DAY: quantile(held, 0.99) for at, held in days.items()} == {0: 16.0, 1: 16.0, 2: 16.0}
    assert [longest(held) > 50_000 for held in days.values()] == [False, True, False]
    assert len(state.latencies.over(FIVE_MINUTES, 0, state.recent)) == WINDOWS[FIVE_MINUTES] + 1
    assert from_json(to_json(state)) == state


def test_hours_and_days_in_which_nothing_came_are_empty_and_old_ones_go() -> None:
    state = fresh("topic", 0)
    for day in (0, 3, 3 + WINDOWS[DAY]):
        state = with_latencies(state, NOW_MS + day * DAY, 8)
    last = with_latencies(state, NOW_MS + (3 + WINDOWS[DAY]) * DAY + FIVE_MINUTES, 8)
    days = last.latencies.over(DAY, NOW_MS // DAY + 4, last.recent)
    assert [at - NOW_MS // DAY for at in days] == [3 + WINDOWS[DAY]]
    next_day = with_latencies(last, NOW_MS + (4 + WINDOWS[DAY]) * DAY, 8).latencies
    assert len(next_day.days.slots) == 8 * WINDOWS[DAY]
    assert [at - NOW_MS // DAY for at in next_day.over(DAY, 0, {})] == [3 + WINDOWS[DAY]]
    hours = last.latencies.over(HOUR, NOW_MS // HOUR + 99, last.recent)
    assert [at - NOW_MS // HOUR for at in hours] == [24 * (3 + WINDOWS[DAY])]


def test_a_clock_that_went_back_loses_nothing_of_the_past() -> None:
    state = with_latencies(fresh("topic", 0), NOW_MS, 8)
    state = with_latencies(state, NOW_MS + HOUR, 8)
    back = with_latencies(state, NOW_MS, 64)
    assert back.latencies == state.latencies
    assert back.total == 3


@given(st.dictionaries(st.integers(0, 160), st.integers(1, 10**9), min_size=1))
def test_a_window_that_is_over_keeps_its_count_and_the_quantiles_that_are_shown(histogram: Histogram) -> None:
    thin = thinned(histogram)
    assert len(thin) <= 7
    assert sum(thin.values()) == sum(histogram.values())
    kept = Past().with_window(7, histogram, kept=9).windows(0, 9)[7]
    for q in (0.5, 0.99):
        assert quantile(thin, q) == quantile(kept, q) == quantile(histogram, q)
    assert longest(kept) == longest(histogram)


def test_what_is_over_is_closed_once() -> None:
    latencies, recent = turned(Latencies(), {5: {3: 2}, 6: {4: 1}}, 8)
    again, _ = turned(latencies, recent, 8)
    assert (latencies, sorted(latencies.fives.windows(0, 99))) == (again, [5, 6])


@pytest.mark.parametrize("junk", [["x", ""], [1, "AAA="], [1, "?"], [1], 5, [1, None]])
def test_what_is_no_past_is_no_state(junk: object) -> None:
    fields = json.loads(to_json(fresh("topic", 0))) | {"latencies": {"hours": junk}}
    with pytest.raises((ValueError, TypeError)):
        from_json(json.dumps(fields).encode())


def test_recent_latencies_are_those_of_the_last_windows() -> None:
    recent: dict[int, Histogram] = {}
    for window in range(5):
        recent = dict(with_recent(recent, window * RECENT_WIDTH, {window: 1}))
    assert recent == {2: {2: 1}, 3: {3: 1}, 4: {4: 1}}
    assert since(recent, 3 * RECENT_WIDTH + 5) == {3: 1, 4: 1}


@given(st.text(max_size=12), st.text(max_size=12), times, st.booleans(), st.binary(max_size=3), st.integers(0, 200))
@settings(max_examples=500)
def test_the_fast_reading_agrees_with_the_contract(
    name: str, text: str, at_ms: int, escaped: bool, noise: bytes, where: int
) -> None:
    """Whatever the bytes: what is read the fast way, the contract reads the same way."""
    record = good(7, user_name=name or "ada", description=text or "a boat", at_ms=at_ms)
    value = record.value or b""
    if escaped:
        value = json.dumps(json.loads(value)).encode()
    value = value[: where % len(value)] + noise + value[where % len(value) + len(noise) :]
    fast = canonical(value)
    slow = by_contract(Record(7, value, record.headers))
    assert fast is None or fast == slow


_SAID = {name: name for name in NewApplication.model_fields}


@pytest.mark.parametrize("field", _SAID)
@pytest.mark.parametrize("value", ["", " a", "a ", "a\0", "a\u00a0", "x" * 300, "x" * 10_001, 5, None, ["a"]], ids=repr)
def test_the_fast_reading_takes_nothing_that_the_contract_refuses(field: str, value: object) -> None:
    """Field by field, also those that are added later."""
    record = good(7)
    written = json.loads(record.value or b"") | _SAID | {field: value}
    value_of_it = json.dumps(written, separators=(",", ":"), ensure_ascii=False).encode()
    fast = canonical(value_of_it)
    assert fast is None or fast == by_contract(Record(7, value_of_it, record.headers))


def test_what_the_gateway_writes_is_read_the_fast_way() -> None:
    seen = canonical(good(7, user_name="Ада", description="лодка").value or b"")
    assert isinstance(seen, Seen)
    assert (seen.user_name, seen.size, seen.created_at) == ("Ада", 5, NOW_MS)


@pytest.mark.parametrize(
    "change",
    [
        (b"00:00", b"24:00"),
        (b"-04-", b"-13-"),
        (b'"ada"', b'"ada "'),
        (b'"ada"', b'"a\\u0000b"'),
        (b'"ada"', b"1"),
        (b'{"id"', b'{"more":1,"id"'),
        (b"Z", b"+00:00"),
        (b'{"id"', b'{"id":"x","id"'),
    ],
)
def test_any_other_form_goes_the_slow_way(change: tuple[bytes, bytes]) -> None:
    value = good(7, at_ms=1_650_000_000_000 - 1_650_000_000_000 % 86_400_000).value or b""
    assert canonical(value) is not None
    changed = value.replace(*change)
    assert changed != value
    assert canonical(changed) is None


def test_no_hostile_time_is_kept() -> None:
    """What is remembered of times is what the gateway writes: a time of a quarter of a megabyte stays nowhere."""
    events._milliseconds.cache_clear()
    value = good(0).value or b""
    assert events.canonical(re.sub(rb'"20[^"]*Z"', b'"' + b"2" * 200_000 + b'"', value)) is None
    assert events._milliseconds.cache_info().currsize == 0
    assert events.canonical(value) is not None
    assert events._milliseconds.cache_info().currsize == 1
