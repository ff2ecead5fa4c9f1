"""The second pass of the audit holds a bounded part of the topic, however much one side has that the other has not."""

from cli.audit.compare import ROWS_IN_RANGE, Ranges
from cli.audit.sides import Entry


def entry(id_: int) -> Entry:
    return Entry(id_, digest=id_)


def test_a_range_full_of_events_without_rows_is_looked_at_in_parts() -> None:
    last = ROWS_IN_RANGE * 10
    ranges = Ranges(1, last)
    ranges.add_row(entry(1))
    for id_ in range(1, last + 1):
        ranges.add_event(entry(id_))
    parts = ranges.differing()
    assert [start for start, _ in parts] == [1, *(end + 1 for _, end in parts[:-1])]
    assert parts[-1][1] == last
    assert max(end - start + 1 for start, end in parts) == 2 * ROWS_IN_RANGE


def test_a_range_of_rows_without_events_is_one() -> None:
    ranges = Ranges(1, ROWS_IN_RANGE * 2)
    for id_ in range(1, ROWS_IN_RANGE * 2 + 1):
        ranges.add_row(entry(id_))
    assert ranges.differing() == [(1, ROWS_IN_RANGE), (ROWS_IN_RANGE + 1, ROWS_IN_RANGE * 2)]


def test_where_both_sides_hold_the_same_nothing_is_looked_at() -> None:
    ranges = Ranges(1, 100)
    for id_ in (3, 7):
        ranges.add_row(entry(id_))
        ranges.add_event(entry(id_))
    assert ranges.differing() == []
