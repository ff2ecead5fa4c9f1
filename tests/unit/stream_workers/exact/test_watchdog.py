"""A worker that stands still while events wait ends itself; one that has nothing to do, or no broker, does not."""

from types import SimpleNamespace
from typing import Any

import pytest

from stream_workers.errors import RecreatedTopicError, StuckError
from stream_workers.exact.watchdog import Watchdog

STUCK = 60.0


class Stand:
    """One partition at offset 9 of a topic that ends at 10, watched from second 0 on."""

    def __init__(self) -> None:
        self.app = SimpleNamespace(settled=True, source="applications")
        self.state = SimpleNamespace(topic_id="id", last_offset=9)
        self.partitions = SimpleNamespace(owned={0: SimpleNamespace(state=self.state)}, table_name="counters")
        self.backlog = SimpleNamespace(ends={0: 10}, topic_id="id", as_of=1.0, away_since=None)
        parts: Any = (self.app, self.partitions, self.backlog)
        self.watchdog = Watchdog(*parts, stuck_seconds=STUCK)
        self.watchdog.check(0.0)


@pytest.fixture
def stand() -> Stand:
    return Stand()


def test_nothing_to_do_is_no_reason(stand: Stand) -> None:
    stand.watchdog.check(10 * STUCK)


def test_events_that_wait_without_progress_end_the_worker(stand: Stand) -> None:
    stand.backlog.ends = {0: 50}
    stand.watchdog.check(STUCK)
    with pytest.raises(StuckError, match="40 events wait"):
        stand.watchdog.check(STUCK + 1)


def test_slow_progress_is_progress(stand: Stand) -> None:
    stand.backlog.ends = {0: 50}
    for minute in range(1, 20):
        stand.state.last_offset += 1
        stand.watchdog.check(minute * STUCK)


def test_nothing_is_judged_while_kafka_is_silent(stand: Stand) -> None:
    stand.backlog.ends = {0: 50}
    stand.backlog.away_since = 5.0
    stand.watchdog.check(10 * STUCK)
    stand.backlog.away_since = None
    stand.watchdog.check(10 * STUCK + 1)
    stand.watchdog.check(11 * STUCK)
    with pytest.raises(StuckError):
        stand.watchdog.check(11 * STUCK + 2)


def test_a_group_that_never_comes_to_rest_ends_the_worker(stand: Stand) -> None:
    stand.app.settled = False
    stand.watchdog.check(STUCK)
    with pytest.raises(StuckError, match="no recovery"):
        stand.watchdog.check(STUCK + 1)


def test_another_topic_of_the_same_name_is_noticed(stand: Stand) -> None:
    stand.backlog.topic_id = "another"
    with pytest.raises(RecreatedTopicError, match="metrics rebuild"):
        stand.watchdog.check(1.0)


def test_a_topic_that_no_broker_knows_at_the_moment_is_no_other_one(stand: Stand) -> None:
    stand.backlog.topic_id = None
    stand.watchdog.check(1.0)
