"""The journal's lines against its books: what is absent is drift, what is repeated is not."""

import asyncio
from dataclasses import replace
from io import BytesIO
from typing import Literal

import pytest

from cli.audit.lines import Lines, compare
from stream_workers.books.journal import Journal, Position
from tests.records import NOW_MS, bad, good

START = Position(topic_id="id", first=0, last_offset=-1)


def written(form: Literal["console", "json"], *batches: range) -> tuple[list[bytes], Position]:
    """Lines as the journal writes them, and its position afterwards; offset 3 is no application."""
    out = BytesIO()
    journal = Journal(out, owner="a", user_names=False, form=form)
    position = START
    for batch in batches:
        records = [bad(offset) if offset == 3 else good(offset) for offset in batch]
        position = asyncio.run(journal.fold(0, position, records))
    return out.getvalue().splitlines(keepends=True), position


@pytest.mark.parametrize("form", ["console", "json"])
def test_every_offset_has_a_line(form: Literal["console", "json"]) -> None:
    lines, position = written(form, range(20))
    assert compare(lines, {0: position}) == Lines(lines=20, repeated=0, absent=0)
    assert compare([*lines, *lines[10:]], {0: position}) == Lines(lines=30, repeated=10, absent=0)
    assert compare([b"something else\n", *lines[:5], *lines[7:]], {0: position}) == Lines(18, 0, absent=2)
    assert compare(lines[12:], {0: position}) == Lines(8, 0, absent=0), "older files are not here"
    assert compare([*lines[:19], lines[19][:-4]], {0: position}).absent == 1, "a line that was cut off is none"


def test_a_partition_without_a_line_has_none_of_its_offsets() -> None:
    lines, position = written("json", range(5), range(5, 9))
    other = Position(topic_id="id", first=0, last_offset=6, logged=6, unreadable=1)
    assert compare(lines, {0: position, 1: other}) == Lines(lines=9, repeated=0, absent=7)
    assert compare([], {0: START}) == Lines(0, 0, 0)


def test_lines_beyond_the_books_are_those_of_now() -> None:
    lines, _ = written("json", range(9))
    earlier = Position(topic_id="id", first=0, last_offset=4, logged=5)
    assert compare(lines, {0: earlier}) == Lines(lines=9, repeated=0, absent=0)


async def test_offsets_without_a_record_are_booked_as_such() -> None:
    journal = Journal(BytesIO(), owner="me", user_names=False, form="json")
    state = await journal.fold(0, journal.fresh("id", 0), [good(0), good(4), bad(7)])
    assert state.classes == {"logged": 2, "unreadable": 1, "missing": 0, "empty": 5}
    assert state.last_offset == 7


async def test_a_foreign_time_does_not_say_how_far_the_journal_is() -> None:
    """What a producer stamps, or dates an event of the future, is no sign that everything before it was read."""
    journal = Journal(BytesIO(), owner="me", user_names=False, form="json", clock=lambda: NOW_MS / 1000)
    events = [good(0, at_ms=NOW_MS - 5_000), good(1, at_ms=NOW_MS + 10**12), replace(bad(2), timestamp=2**63 - 1)]
    state = await journal.fold(0, journal.fresh("id", 0), events)
    assert state.newest_at == NOW_MS - 5_000
