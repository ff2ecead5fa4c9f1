"""A worker's lag in seconds, and its buckets."""

from types import SimpleNamespace
from typing import Any

import orjson
import pytest

from stream_workers.exact.lag import Behind, Lag
from stream_workers.exact.telemetry import Telemetry
from stream_workers.kinds import METRICS
from stream_workers.settings import Settings


def plain(**fields: object) -> Any:
    return SimpleNamespace(**fields)


class Scene:
    """A changelog, a broker and a clock that the test moves."""

    def __init__(self) -> None:
        self.now = 1_000.0
        self.follower = plain(newest={}, complete=True)
        self.backlog = plain(ends={})
        self.lag = Lag(self.follower, self.backlog, clock=lambda: self.now)

    def at(self, *, end: int, last: int, newest_at: float | None) -> Behind:
        value = orjson.dumps({"newest_at": newest_at and int(newest_at * 1000)})
        self.follower.newest = {0: SimpleNamespace(rank=(0, last), value=value)}
        self.backlog.ends = {0: end}
        self.lag.look()
        return self.lag.behind()[0]


def test_nothing_waits() -> None:
    assert Scene().at(end=10, last=9, newest_at=100.0) == Behind(0, 0.0)


def test_lag_is_the_age_of_what_is_being_counted() -> None:
    assert Scene().at(end=10, last=4, newest_at=940.0) == Behind(5, 60.0)


def test_an_event_after_a_silent_night_is_not_a_night_old() -> None:
    scene = Scene()
    scene.at(end=10, last=9, newest_at=100.0)
    scene.now += 2
    assert scene.at(end=11, last=9, newest_at=100.0) == Behind(1, 2.0)


@pytest.mark.parametrize(("ahead", "seconds"), [(299.0, 0.0), (301.0, None)])
def test_a_time_far_ahead_does_not_say_that_nothing_is_old(ahead: float, seconds: float | None) -> None:
    assert Scene().at(end=10, last=4, newest_at=1_000.0 + ahead) == Behind(5, seconds)


def test_nothing_counted_yet_is_unknown_in_seconds() -> None:
    scene = Scene()
    scene.backlog.ends = {0: 7}
    assert scene.lag.behind() == {0: Behind(7, None)}


def test_nothing_is_said_before_the_changelog_was_read() -> None:
    scene = Scene()
    scene.at(end=10, last=9, newest_at=100.0)
    scene.follower.complete = False
    assert scene.lag.behind() == {}


def test_ages_are_those_of_the_records() -> None:
    telemetry = Telemetry(Settings(_env_file=None), METRICS, clock=lambda: 100.0)
    records: list[Any] = [SimpleNamespace(timestamp=at) for at in (99_990, 99_400, 40_000)]
    telemetry.folded(0, records, seconds=0.001)
    ages = telemetry.accepted_to_consumed
    found = {bound: count for bound, count in zip(ages.bounds, ages.counts, strict=False) if count}
    assert found == {0.01: 1, 1.0: 1, 60.0: 1} or found == {0.025: 1, 1.0: 1, 60.0: 1}
    assert ages.total == pytest.approx(60.61)
