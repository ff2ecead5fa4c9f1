"""From where on a drain reads the topic: never later than something of the dead gateway can be."""

from typing import Any
from uuid import UUID

import pytest

from gateway.publish.positions import PositionError, starts_of
from gateway.publish.settlement import Settled
from gateway.publish.topic import PartitionState, TopicState

TOPIC = UUID(int=7)
STATE = TopicState(TOPIC, dict.fromkeys(range(3), PartitionState(1, 0, frozenset({1}))))
SETTLED = Settled(STATE, starts={0: 0, 1: 10, 2: 5}, ends={0: 100, 1: 100, 2: 100})


def row(**following: int) -> dict[str, Any]:
    """Positions as an outbox row has them: p0=7 is partition 0 acknowledged up to 7."""
    return {"topic": TOPIC.hex, "next": {name.removeprefix("p"): offset for name, offset in following.items()}}


def test_the_earliest_row_decides() -> None:
    assert starts_of([row(p0=40, p1=50, p2=60), row(p0=30, p1=70, p2=60)], SETTLED) == {0: 30, 1: 50, 2: 60}


def test_a_partition_without_a_position_is_read_from_its_log_start() -> None:
    """The topic grew after the row was written, or after some of the rows were."""
    assert starts_of([row(p0=40, p1=50)], SETTLED) == {0: 40, 1: 50, 2: 5}
    assert starts_of([row(p0=40, p1=50), row(p0=60, p1=70, p2=80)], SETTLED) == {0: 40, 1: 50, 2: 5}
    assert starts_of([{}], SETTLED) == SETTLED.starts


def test_without_a_position_the_time_of_the_rows_decides_where_it_is_known() -> None:
    assert starts_of([{}, row(p0=40)], SETTLED, since={0: 20, 1: 30, 2: 100}) == {0: 20, 1: 30, 2: 100}


@pytest.mark.parametrize(
    ("positions", "why"),
    [
        ({"topic": UUID(int=8).hex, "next": {}}, "created anew"),
        (row(p0=101, p1=50, p2=50), "lost records"),
        (row(p0=1, p1=9, p2=50), "retention"),
    ],
)
def test_what_does_not_fit_the_topic_is_no_guess(positions: dict[str, Any], why: str) -> None:
    with pytest.raises(PositionError, match=why):
        starts_of([positions], SETTLED)
