"""What is missing from the topic is found in bounded memory: the rows that somebody holds at once are counted."""

from collections.abc import AsyncIterator, Iterator, Sequence
from io import BytesIO
from types import SimpleNamespace
from typing import Any, ClassVar, Self
from uuid import UUID

import pytest

from cli.audit import compare, replay, sides
from cli.audit.replay import PAGE, Choice, find_missing, found_rows
from cli.audit.sides import Entry
from contracts import Topics
from runtime.kafka.clients import Kafka

ROWS, IN_RANGE, RANGES_AT_ONCE, IN_PAGE = 20_000, 100, 2, 50
MOST = IN_RANGE * RANGES_AT_ONCE + 2 * IN_PAGE + ROWS // IN_RANGE


class Held(int):
    """The id of a row, counted for as long as somebody holds it."""

    now: ClassVar[int] = 0
    most: ClassVar[int] = 0

    def __new__(cls, id_: int) -> Self:
        cls.now += 1
        cls.most = max(cls.most, cls.now)
        return super().__new__(cls, id_)

    def __del__(self) -> None:
        Held.now -= 1


def in_pages(first: int, last: int) -> Iterator[range]:
    for start in range(max(first, 1), min(last, ROWS) + 1, IN_PAGE):
        yield range(start, min(start + IN_PAGE, last + 1, ROWS + 1))


async def rows(*_: object, first: int, last: int) -> AsyncIterator[Sequence[Any]]:
    for page in in_pages(first, last):
        yield [SimpleNamespace(id=SimpleNamespace(int=Held(id_)), user_name="ada") for id_ in page]


async def events(*_: object) -> AsyncIterator[Sequence[Entry]]:
    """Of every tenth row."""
    for page in in_pages(1, ROWS):
        yield [Entry(id_, digest=0) for id_ in page if id_ % 10 == 0]


async def test_of_any_number_of_missing_rows_a_bounded_number_is_held_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    async def no_outbox(_: object) -> tuple[None, set[int]]:
        return None, set()

    async def whole(*_: object) -> dict[int, tuple[int, int]]:
        return {0: (0, ROWS)}

    monkeypatch.setattr(compare, "ROWS_IN_RANGE", IN_RANGE)
    monkeypatch.setattr(replay, "RANGES_AT_ONCE", RANGES_AT_ONCE)
    monkeypatch.setattr(replay, "pages", rows)
    monkeypatch.setattr(replay, "bounds", whole)
    monkeypatch.setattr(sides, "held", no_outbox)
    monkeypatch.setattr(sides, "events", events)
    monkeypatch.setattr(sides, "digest", lambda _: 0)
    connection: Any = None
    into = BytesIO()
    found = await find_missing(connection, Kafka(""), Topics(), Choice(), into)
    assert (found.count, found.held, found.untold) == (ROWS - ROWS // 10, 0, 0)
    assert into.getvalue() == b"".join(id_.to_bytes(16) for id_ in range(1, ROWS + 1) if id_ % 10)
    assert Held.most <= MOST
    assert Held.now == 0


async def test_what_was_found_is_read_back_a_page_at_a_time() -> None:
    asked: list[list[UUID]] = []

    async def execute(query: Any) -> Any:
        (ids,) = query.compile().params.values()
        asked.append(ids)
        return SimpleNamespace(all=lambda: ids)

    connection: Any = SimpleNamespace(execute=execute)
    ids = [UUID(int=number) for number in range(2 * PAGE + 1)]
    read = [page async for page in found_rows(connection, BytesIO(b"".join(id_.bytes for id_ in ids)))]
    assert [len(page) for page in read] == [len(page) for page in asked] == [PAGE, PAGE, 1]
    assert [id_ for page in asked for id_ in page] == ids
