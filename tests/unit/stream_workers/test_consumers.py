"""Consumer groups without Kafka: how old what waits is, where it goes, and when it is too late."""

from typing import Any

import pytest

from contracts import Topics
from runtime.kafka.clients import Kafka
from stream_workers.books.apply import apply
from stream_workers.books.series import DAY, HOUR, MINUTE
from stream_workers.books.state import State, fresh
from stream_workers.consumers import watched
from stream_workers.consumers.age import accepted_at, oldest_waiting, slope
from stream_workers.consumers.asked import Asked, Groups
from stream_workers.consumers.watched import Watched
from stream_workers.web.trends.reading import fields_of, level
from tests.records import NOW_MS, good

# The middle of a minute.
NOW = NOW_MS // MINUTE * MINUTE + MINUTE // 2


def state(*ages: int) -> State:
    """Events accepted so many milliseconds ago, in this order."""
    records = [good(offset, at_ms=NOW - age) for offset, age in enumerate(ages)]
    return apply(fresh("id", 0), records, consumed_at=NOW).state


@pytest.mark.parametrize(
    ("offset", "age", "within"),
    [(0, 30 * DAY, DAY), (1, 26 * HOUR, HOUR), (2, 50 * MINUTE, MINUTE), (3, 5_000, MINUTE), (4, 1_000, MINUTE)],
)
def test_an_event_s_age_is_known_to_a_minute_an_hour_or_a_day(offset: int, age: int, within: int) -> None:
    counted = state(30 * DAY, 26 * HOUR, 50 * MINUTE, 5_000, 1_000)
    found = accepted_at(counted, offset, 5)
    assert found is not None
    assert abs((NOW - found * 1000) - age) <= within


def test_within_a_minute_events_are_taken_to_have_come_evenly() -> None:
    counted = state(*range(29_000, 0, -1_000))
    found = accepted_at(counted, 14, 29)
    assert found is not None
    assert (NOW - found * 1000) / 1000 == pytest.approx(15, abs=1.5)


def test_what_is_not_counted_yet_came_after_the_newest_that_is() -> None:
    assert accepted_at(state(5_000), 1, 3) == (NOW - 5_000) / 1000
    assert accepted_at(state(5_000), 1, 1) is None
    assert accepted_at(fresh("id", 0), 0, 3) is None
    assert accepted_at(None, 0, 3) is None


def test_of_several_partitions_the_oldest_counts_and_one_unknown_leaves_all_unknown() -> None:
    states = {0: state(50 * MINUTE), 1: state(3 * MINUTE)}
    found = oldest_waiting(states, {0: 0, 1: 0}, {0: 1, 1: 1})
    assert found is not None
    assert NOW / 1000 - found > 45 * 60
    assert oldest_waiting({1: states[1]}, {0: 0, 1: 0}, {0: 1, 1: 1}) is None


def test_what_lies_beyond_all_that_is_kept_is_as_old_as_the_first_day() -> None:
    counted = state(2 * DAY, 5_000)
    assert accepted_at(counted, -500, 2) == (NOW - 2 * DAY) // DAY * DAY / 1000


def test_a_slope_needs_two_points_and_some_time() -> None:
    assert slope([]) is slope([(0.0, 1.0)]) is slope([(0.0, 1.0), (0.5, 9.0)]) is None
    assert slope([(0.0, 1.0), (5.0, 99.0), (10.0, 21.0)]) == 2.0


class Brokers:
    """What the brokers say; the topic has two partitions of which the second has no event."""

    def __init__(self) -> None:
        self.now = NOW / 1000
        self.starts, self.ends = {0: 0, 1: 0}, {0: 100, 1: 0}
        self.groups: list[Asked] = []
        self.kept: float | None = 7 * 86_400.0

    async def partitions(self, _topic: str) -> set[int]:
        return set(self.ends)

    async def first_offsets(self, _topic: str, _partitions: Any) -> dict[int, int]:
        return self.starts

    async def end_offsets(self, _topic: str, _partitions: Any) -> dict[int, int]:
        return self.ends


@pytest.fixture
def brokers(monkeypatch: pytest.MonkeyPatch) -> Any:
    found = Brokers()

    class Client:
        async def start(self) -> None: ...

        async def close(self) -> None: ...

    async def ask(*_: object) -> Groups:
        return Groups(found.groups, len(found.groups), found.kept, None)

    monkeypatch.setattr(watched, "ask_groups", ask)
    monkeypatch.setattr(Kafka, "admin", lambda *_, **__: Client())
    return found


COUNTED = state(*(100_000 - 1_000 * number for number in range(100)))


def watching(brokers: Any) -> Watched:
    return Watched(Kafka(""), "applications", brokers, lambda: {0: COUNTED}, clock=lambda: brokers.now)


async def test_a_group_that_stands_still_grows_older_until_it_is_too_late(brokers: Any) -> None:
    brokers.groups = [Asked("slow", "Empty", {}, {0: 40})]
    asking = watching(brokers)
    (first,) = (await asking.ask()).found
    assert (first.lag, first.growth, first.too_late_in, first.moved_at) == (60, None, None, None)
    assert first.lag_seconds == pytest.approx(60, abs=10)
    brokers.now += 60
    brokers.ends = {0: 160, 1: 0}
    (later,) = (await asking.ask()).found
    assert (later.lag, later.growth, later.moved_at, later.since) == (120, 1.0, None, NOW / 1000)
    assert later.too_late_in == pytest.approx(7 * 86_400 - 120, abs=10)
    assert level(later, ours=False) == "warn"
    assert fields_of(later, Topics())["trend"] == "grows"


async def test_partitions_are_in_their_order_whatever_the_brokers_say_first(brokers: Any) -> None:
    brokers.ends = {1: 0, 0: 100}
    brokers.groups = [Asked("any", "Stable", {"a": [1, 0]}, {1: 0, 0: 40})]
    (found,) = (await watching(brokers).ask()).found
    assert [row.partition for row in found.partitions] == [0, 1]


async def test_a_group_that_catches_up_is_never_too_late_and_is_seen_to_commit(brokers: Any) -> None:
    asking = watching(brokers)
    brokers.groups = [Asked("quick", "Stable", {"a": [0, 1]}, {0: 40})]
    await asking.ask()
    brokers.now += 10
    brokers.groups = [Asked("quick", "Stable", {"a": [0, 1]}, {0: 100})]
    (found,) = (await asking.ask()).found
    assert (found.lag, found.lag_seconds, found.growth, found.moved_at) == (0, 0.0, -6.0, brokers.now)
    fields = fields_of(found, Topics())
    assert (fields["too_late_in"], fields["keeps_up"], fields["level"], fields["trend"]) == (
        None,
        True,
        "ok",
        "shrinks",
    )


async def test_what_was_deleted_unread_is_lost_and_the_worst_is_first(brokers: Any) -> None:
    brokers.starts = {0: 50, 1: 0}
    brokers.groups = [Asked("well", "Stable", {"a": [0]}, {0: 100}), Asked("z-lost", "Empty", {}, {0: 20})]
    worst, best = (await watching(brokers).ask()).found
    assert (worst.group, worst.lost, worst.lag, worst.too_late_in) == ("z-lost", 30, 50, 0.0)
    assert level(worst, ours=False) == "bad"
    assert (best.lag, level(best, ours=False)) == (0, "ok")


async def test_what_may_not_be_seen_is_unknown_not_nothing(brokers: Any) -> None:
    brokers.groups = [Asked("theirs", None, None, {}, "GroupAuthorizationFailedError")]
    brokers.kept = None
    (found,) = (await watching(brokers).ask()).found
    assert (found.lag, found.lag_seconds, found.too_late_in, level(found, ours=False)) == (None, None, None, "unknown")
    assert fields_of(found, Topics())["why"] == "GroupAuthorizationFailedError"


async def test_groups_that_are_gone_are_forgotten_and_the_trend_is_bounded(brokers: Any) -> None:
    asking = watching(brokers)
    brokers.groups = [Asked("g", "Stable", {}, {0: 1})]
    for _ in range(1_000):
        brokers.now += 3
        await asking.ask()
    assert len(asking._past["g"].points) <= 450
    brokers.groups = []
    await asking.ask()
    assert asking._past == {}


@pytest.mark.parametrize(("group", "level"), [("journal", "warn"), ("theirs", "note")])
async def test_a_group_that_nobody_reads_with_is_not_well(brokers: Any, group: str, level: str) -> None:
    brokers.groups = [Asked(group, "Empty", {}, {0: 100, 1: 0})]
    (found,) = (await watching(brokers).ask()).found
    assert (found.lag, fields_of(found, Topics())["level"]) == (0, level)
