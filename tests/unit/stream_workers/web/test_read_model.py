"""The merged view: complete, honest about what it does not know, and never dearer than it needs to be."""

from types import SimpleNamespace
from typing import Any

from stream_workers.books.apply import apply
from stream_workers.books.state import fresh, to_json
from stream_workers.exact.changelog import Newest
from stream_workers.exact.lag import Lag
from stream_workers.kafka.broker import Brokers
from stream_workers.web.look.read_model import ReadModel
from tests.records import NOW_MS, good

NOW = NOW_MS / 1000


def newest(events: int, *, user_name: str = "ada") -> Newest:
    records = [good(offset, user_name=user_name) for offset in range(events)]
    return Newest(to_json(apply(fresh("id", 0), records, consumed_at=NOW_MS).state), (0, events - 1), NOW)


class Kafka:
    """Two partitions; the first is counted up to its end, of the second nothing is known yet."""

    def __init__(self) -> None:
        self.follower: Any = SimpleNamespace(newest={0: newest(10)}, complete=True)
        self.backlog: Any = SimpleNamespace(ends={0: 10, 1: 4}, as_of=NOW, away_since=None, brokers=Brokers())
        self.now = NOW


def model(kafka: Kafka) -> Any:
    lag = Lag(kafka.follower, kafka.backlog, clock=lambda: kafka.now)
    return ReadModel(kafka.follower, kafka.backlog, lag, clock=lambda: kafka.now)


def test_a_partition_that_nobody_counted_yet_is_unknown_not_zero() -> None:
    seen = model(Kafka()).snapshot()
    first, second = seen.partitions
    assert (first.lag, first.lag_seconds, first.exact) == (0, 0.0, True)
    assert (second.last_offset, second.lag, second.owner) == (None, None, None)
    assert (seen.total, seen.lag) == (10, None)


def test_a_partition_without_an_event_has_no_lag() -> None:
    kafka = Kafka()
    kafka.backlog.ends[1] = 0
    assert model(kafka).snapshot().lag == 0


def test_totals_are_those_of_all_partitions() -> None:
    kafka = Kafka()
    kafka.follower.newest[1] = newest(4, user_name="grace")
    seen = model(kafka).snapshot()
    assert (seen.total, seen.lag, seen.today, seen.this_minute) == (14, 0, 14, 14)
    assert [user.name for user in seen.active_users] == ["ada", "grace"]
    assert round(seen.distinct_users.value) == 2


def test_the_same_snapshot_is_not_made_twice_and_a_new_state_shows() -> None:
    kafka = Kafka()
    read_model = model(kafka)
    before = read_model.snapshot()
    assert read_model.snapshot() is before
    kafka.follower.newest[0] = newest(11)
    assert read_model.snapshot().total == 11


def test_a_silent_broker_is_said_and_what_was_known_stays() -> None:
    kafka = Kafka()
    kafka.backlog.away_since = NOW + 5
    kafka.now = NOW + 60
    seen = model(kafka).snapshot()
    assert (seen.kafka_away_since, seen.as_of, seen.total) == (NOW + 5, NOW, 10)


def test_the_trend_ends_where_the_broker_was_last_heard() -> None:
    kafka = Kafka()
    read_model = model(kafka)
    read_model.sample()
    kafka.now += 10
    kafka.backlog.away_since = kafka.now
    read_model.sample()
    assert [sample.at for sample in read_model.trend] == [NOW]
