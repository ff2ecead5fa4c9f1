"""The time inside an id: where the ids of a time begin and end, to the millisecond."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from contracts import first_id, last_id, milliseconds_of, time_of

INSTANTS = st.datetimes(datetime(1970, 1, 1), datetime(9999, 12, 31), timezones=st.just(UTC))  # noqa: DTZ001 -- naive bounds are hypothesis's form
IDS = st.integers(0, (1 << 128) - 1).map(lambda number: UUID(int=number))


@given(INSTANTS)
def test_the_first_id_of_a_time_is_of_no_earlier_millisecond(time: datetime) -> None:
    first = first_id(time)
    assert timedelta(0) <= time_of(first) - time < timedelta(milliseconds=1)
    assert time_of(UUID(int=first.int - 1)) < time if first.int else True


@given(INSTANTS)
def test_the_last_id_of_a_time_is_of_no_later_millisecond(time: datetime) -> None:
    last = last_id(time)
    assert timedelta(0) <= time - time_of(last) < timedelta(milliseconds=1)
    assert time_of(UUID(int=last.int + 1)) > time


@given(IDS)
def test_the_time_is_the_first_48_bits(id_: UUID) -> None:
    assert milliseconds_of(id_) == int.from_bytes(id_.bytes[:6])


def test_times_before_1970_begin_with_the_least_id() -> None:
    assert first_id(datetime(1969, 1, 1, tzinfo=UTC)) == UUID(int=0)
