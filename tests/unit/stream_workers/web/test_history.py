"""The history: what the states keep, over the span that is chosen, with the span before it."""

from functools import cache
from types import SimpleNamespace
from typing import Any

import pytest

from stream_workers.books.apply import apply
from stream_workers.books.series import DAY, HOUR, MINUTE
from stream_workers.books.state import State, fresh, to_json
from stream_workers.exact.changelog import Newest
from stream_workers.exact.lag import Lag
from stream_workers.kafka.broker import Brokers
from stream_workers.web.look.read_model import ReadModel
from stream_workers.web.look.snapshot import Sample
from stream_workers.web.trends.csv_table import csv_text
from stream_workers.web.trends.history import COLUMNS, History, lag_points
from stream_workers.web.trends.spans import CHOSEN, SPANS
from tests.records import good

# Half past the last hour of a day, in milliseconds.
NOW = 1_795_000_000_000 // DAY * DAY + 23 * HOUR + 30 * MINUTE


def state(*events: tuple[int, int, int]) -> State:
    """Events as (accepted at, counted after, how many), counted one after the other."""
    found = fresh("id", 0)
    for at, latency, count in events:
        first = found.last_offset + 1
        records = [good(first + index, at_ms=at) for index in range(count)]
        found = apply(found, records, consumed_at=at + latency).state
    return found


def history(*partitions: State) -> Any:
    newest = {place: Newest(to_json(held), (0, held.last_offset), NOW / 1000) for place, held in enumerate(partitions)}
    follower: Any = SimpleNamespace(newest=newest, complete=True)
    backlog: Any = SimpleNamespace(ends={}, as_of=NOW / 1000, away_since=None, brokers=Brokers())
    clock = lambda: NOW / 1000  # noqa: E731
    read_model = ReadModel(follower, backlog, Lag(follower, backlog, clock=clock), clock=clock)
    look: Any = SimpleNamespace(at=NOW / 1000, counters=read_model.snapshot(), trend=())
    return lambda chosen: History(read_model, clock=clock).facts(look, chosen)


YESTERDAY = (NOW - DAY, 1_000, 7_200)


@cache
def busy() -> Any:
    """The history of a day with events."""
    return history(
        state(YESTERDAY, (NOW - 2 * HOUR, 16, 3_600), (NOW - 30 * MINUTE, 8, 1_800)),
        state((NOW - 2 * HOUR, 64_000, 36)),
    )


def known(rows: Any, column: int) -> dict[float, float]:
    """Hours before now, and the values."""
    return {round((NOW / 1000 - row[0]) / 3_600, 2): row[column] for row in rows if row[column]}


def test_a_day_is_shown_by_the_hour_with_yesterday_behind() -> None:
    facts = busy()("24h")
    assert (facts["range"], facts["former"], len(facts["rate"])) == ("24h", "yesterday", 24)
    assert known(facts["rate"], 1)[2.0] == pytest.approx(3_636 / 3_600)
    assert known(facts["rate"], 2) == {0.25: 2.0}
    assert known(facts["latency"], 3) == {0.25: 1024.0}
    assert known(facts["wait"], 1)[2.0] == pytest.approx(64, rel=0.2)


def test_of_an_open_hour_the_average_is_over_what_is_over() -> None:
    assert known(busy()("24h")["rate"], 1)[0.25] == 1.0


def test_two_hours_are_shown_by_the_minute_with_yesterday_s_hour_behind() -> None:
    facts = busy()("2h")
    assert len(facts["rate"]) == 119
    assert {row[2] for row in facts["rate"]} == {0.0, 2.0}
    assert known(facts["latency"], 1) == {0.46: 8.0}


def test_months_are_shown_by_the_day_and_nothing_is_behind() -> None:
    facts = busy()("13mo")
    assert facts["former"] is None
    assert [row[1] for row in facts["rate"][-3:-1]] == [None, pytest.approx(7_200 / 86_400)]
    assert {row[2] for row in facts["rate"]} == {None}


def test_a_week_has_last_week_s_days_behind() -> None:
    facts = history(state((NOW - 8 * DAY, 8, 8_640), (NOW - 30 * MINUTE, 8, 10)))("7d")
    assert facts["former"] == "last-week"
    assert {row[2] for row in facts["rate"]} == {None, 0.0, 0.1}


@pytest.mark.parametrize("chosen", ["", "1h", "24H", "'; DROP TABLE", "9" * 999])
def test_what_is_no_choice_is_the_usual_one(chosen: str) -> None:
    assert busy()(chosen)["range"] == CHOSEN


@pytest.mark.parametrize("chosen", SPANS)
def test_nothing_counted_yet_is_not_known(chosen: str) -> None:
    facts = history()(chosen)
    assert all(value is None for name in COLUMNS for row in facts[name] for value in row[1:])


@pytest.mark.parametrize("chosen", SPANS)
def test_the_csv_has_every_value(chosen: str) -> None:
    facts = busy()(chosen)
    lines = csv_text(facts).splitlines()
    values = [value for name in COLUMNS for row in facts[name] for value in row[1:] if value is not None]
    assert lines[0] == "series,time,value"
    assert [float(line.split(",")[2]) for line in lines[1:]] == values
    assert all(line.split(",")[1].endswith("Z") for line in lines[1:])


def test_lag_has_a_gap_where_nothing_was_sampled() -> None:
    trend = [Sample(at, 0, None, 0, lag) for at, lag in ((0.0, 0.5), (5.5, 0.0), (90.0, 6.0), (95.0, 0.0))]
    assert lag_points(trend) == [(0.0, 0.5), (5.5, 0.0), (10.5, None), (90.0, 6.0), (95.0, 0.0)]
