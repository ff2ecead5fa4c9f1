"""A plain array is read in one step, any other element by element: nobody may see a difference."""

import json
from collections.abc import AsyncIterator

import pytest

from contracts import NewApplication
from gateway.intake import batch_items
from gateway.intake.batch_items import BatchItem, Invalid, Item
from gateway.intake.turns import Turns
from gateway.problems.errors import BatchTooLargeError, MalformedJsonError

GOOD = '{"user_name": "Ann", "description": "text"}'
WITH_KEY = '{"user_name": "Ann", "description": "text", "idempotency_key": "k-1"}'

ARRAYS = {
    "nothing": "[]",
    "one": f"[{GOOD}]",
    "with spaces": f" [ {GOOD} ,\n {WITH_KEY} ] ",
    "escaped": '[{"user_name": "A\\"n", "description": "\\u0416"}]',
    "named twice": '[{"user_name": "Ann", "user_name": "Bob", "description": "text"}]',
    "named twice beside good ones": f'[{GOOD}, {{"user_name": "A", "description": "x", "description": "y"}}, {GOOD}]',
    "no key": '[{"user_name": "Ann", "description": "text", "idempotency_key": null}]',
    "one bad": f'[{GOOD}, {{"user_name": ""}}, 7, {GOOD}]',
    "not ASCII": '[{"user_name": "Жан", "description": "текст"}]',
}


@pytest.mark.parametrize("model", [NewApplication, BatchItem])
def test_every_member_is_text_or_null(model: type[NewApplication]) -> None:
    """What is said of quotation marks in gateway/intake/json_body.py holds for these alone."""
    members = model.model_json_schema()["properties"].values()
    types = {each["type"] for member in members for each in member.get("anyOf", [member])}
    assert types <= {"string", "null"}


async def pieces(body: bytes, size: int) -> AsyncIterator[bytes]:
    for start in range(0, len(body), size):
        yield body[start : start + size]


def seen(items: list[Item]) -> list[object]:
    return [type(item.error) if isinstance(item, Invalid) else item for item in items]


@pytest.fixture
def careful(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """Element by element, whatever the size."""
    monkeypatch.setattr(batch_items, "_WHOLE_BYTES", -1)
    return monkeypatch


@pytest.mark.parametrize("text", ARRAYS.values(), ids=ARRAYS)
@pytest.mark.parametrize("size", [7, 100_000])
async def test_both_ways_read_the_same(text: str, size: int, careful: pytest.MonkeyPatch) -> None:
    slow = await batch_items.from_array(pieces(text.encode(), size), limit=100, turns=Turns())
    careful.undo()
    fast = await batch_items.from_array(pieces(text.encode(), size), limit=100, turns=Turns())
    assert seen(fast) == seen(slow)
    assert all(type(item) in (BatchItem, Invalid) for item in fast)


@pytest.mark.parametrize("text", ["", "[", f"[{GOOD}", f"[{GOOD},]", f"[{GOOD}] x"])
async def test_a_broken_array_is_refused_as_a_whole(text: str) -> None:
    with pytest.raises(MalformedJsonError):
        await batch_items.from_array(pieces(text.encode(), 1000), limit=100, turns=Turns())


async def test_a_plain_array_beyond_the_limit_is_refused() -> None:
    with pytest.raises(BatchTooLargeError):
        await batch_items.from_array(pieces(f"[{GOOD},{GOOD},{GOOD}]".encode(), 1000), limit=2, turns=Turns())


async def test_an_array_that_is_not_kept_whole_is_read_to_its_end() -> None:
    many = json.dumps([json.loads(GOOD)] * 5_000).encode()
    assert len(many) < batch_items._WHOLE_BYTES < len(many) * 2
    items = await batch_items.from_array(pieces(many[:-1] + b"," + many[1:], 60_000), limit=20_000, turns=Turns())
    assert seen(items) == [BatchItem(user_name="Ann", description="text")] * 10_000
