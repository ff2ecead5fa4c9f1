"""However a body is made, no turn of the event loop does more than so much for it. Work is counted, not time."""

import asyncio
import json
import sys
from collections.abc import AsyncIterator, Callable
from types import FrameType
from typing import Any

import pytest
from pydantic import ValidationError as PydanticError
from pydantic_core import SchemaValidator

from contracts import NewApplication
from gateway.admission.visit import Visit
from gateway.intake import batch, batch_items, json_body
from gateway.intake.batch_items import BatchItem, Invalid, Item
from gateway.intake.turns import Turns
from gateway.problems import document
from gateway.problems.errors import BodyTooLargeError, GatewayError, ValidationError
from tests.support.heavy import BATCHES, HEAVY, MANY

# What a turn may do: calls of functions, parts of JSON that are read, errors that pydantic works out. Each takes some
# 10 ms on a slow core.
MOST = {"calls": 100_000, "parts": 150_000, "errors": 7_000}


class Work:
    """What was done in the present turn, and the most of it in any turn so far."""

    def __init__(self) -> None:
        self.now = dict.fromkeys(MOST, 0)
        self.most = dict(self.now)

    def turn(self) -> None:
        self.most = {kind: max(most, self.now[kind]) for kind, most in self.most.items()}
        self.now = dict.fromkeys(MOST, 0)

    def read(self, text: Any) -> None:
        body = text if isinstance(text, bytes) else str(text).encode()
        self.now["parts"] += sum(body.count(sign) for sign in (b"[", b"{", b","))

    def profile(self, _: FrameType, event: str, __: Any) -> None:
        self.now["calls"] += event in {"call", "c_call"}

    def validating(self, validate: Callable[..., Any]) -> Callable[..., Any]:
        """The same, counted."""

        def counted(value: Any, **more: Any) -> Any:
            if isinstance(value, bytes):
                self.read(value)
            try:
                return validate(value, **more)
            except PydanticError as error:
                self.now["errors"] += error.error_count()
                raise

        return counted


class Counted:
    """A validator whose work is counted."""

    def __init__(self, work: Work, real: Any) -> None:
        self.validate_json = work.validating(real.validate_json)
        self.validate_python = work.validating(real.validate_python)


@pytest.fixture
def work(monkeypatch: pytest.MonkeyPatch) -> Work:
    found = Work()
    decode = json.JSONDecoder.raw_decode

    def raw_decode(decoder: json.JSONDecoder, s: str, idx: int = 0) -> Any:
        end = len(s)
        try:
            value, end = decode(decoder, s, idx)
        finally:
            found.read(s[idx:end])
        return value, end

    monkeypatch.setattr(json.JSONDecoder, "raw_decode", raw_decode)
    monkeypatch.setattr(json_body, "SchemaValidator", lambda schema: Counted(found, SchemaValidator(schema)))
    monkeypatch.setattr(json_body, "_members", Counted(found, json_body._members))
    monkeypatch.setattr(batch_items, "_plain_array", Counted(found, batch_items._plain_array))
    monkeypatch.setattr(batch_items, "_from_json", json_body.reader_of(BatchItem))
    for model in (NewApplication, BatchItem):
        monkeypatch.setattr(model, "__pydantic_validator__", Counted(found, model.__pydantic_validator__))
    return found


async def pieces(body: bytes) -> AsyncIterator[bytes]:
    """As uvicorn hands them over."""
    for start in range(0, len(body), 256 * 1024):
        yield body[start : start + 256 * 1024]
        await asyncio.sleep(0)


async def counted(work: Work, doing: Any) -> Any:
    """The result, or what was raised; every turn of the loop until then is counted by itself."""

    async def turns() -> None:
        while True:
            work.turn()
            await asyncio.sleep(0)

    turning = asyncio.create_task(turns())
    await asyncio.sleep(0)
    sys.setprofile(work.profile)
    try:
        return await doing
    except GatewayError as error:
        return error
    finally:
        sys.setprofile(None)
        turning.cancel()
        work.turn()


def _assert_bounded(work: Work) -> None:
    assert {kind: most for kind, most in work.most.items() if most > MOST[kind]} == {}


async def _single(body: bytes) -> Any:
    try:
        return json_body.reader_of(NewApplication)(body)
    except GatewayError as error:
        return document.answer(error, language="en", request_id="-")


async def _batch(media_type: str, body: bytes) -> list[Item]:
    read = batch_items.from_lines if "ndjson" in media_type else batch_items.from_array
    return await read(pieces(body), limit=1_000, turns=Turns())


@pytest.mark.parametrize("body", HEAVY.values(), ids=HEAVY)
async def test_one_application(work: Work, body: bytes) -> None:
    status, _, answer = await counted(work, _single(body))
    assert 400 <= status < 500
    assert len(answer) < 100_000
    _assert_bounded(work)


@pytest.mark.parametrize("way", BATCHES.values(), ids=BATCHES)
@pytest.mark.parametrize("body", HEAVY.values(), ids=HEAVY)
async def test_the_same_in_a_batch(work: Work, body: bytes, way: Callable[[bytes], tuple[str, bytes]]) -> None:
    found = await counted(work, _batch(*way(body)))
    if isinstance(found, list):
        assert all(isinstance(item, Invalid) for item in found)
    else:
        assert 400 <= found.status < 500
    _assert_bounded(work)


@pytest.mark.parametrize("many", MANY.values(), ids=MANY)
async def test_many_items(work: Work, many: tuple[str, bytes]) -> None:
    found = await counted(work, _batch(*many))
    _assert_bounded(work)
    if isinstance(found, list):
        errors = [item.error for item in found if isinstance(item, Invalid)]
        told = sum(len(error.violations) for error in errors if isinstance(error, ValidationError))
        assert told <= batch_items.ERRORS_MAX + len(errors)

        async def answer() -> Any:
            return batch._answer(errors, Visit("-", {}))

        _, _, body = await counted(work, answer())
        assert len(body) < 2_000_000
        _assert_bounded(work)


async def test_past_the_errors_of_a_batch_each_item_has_one_and_their_number() -> None:
    line = json.dumps({f"k{number}": 1 for number in range(60)}).encode() + b"\n"
    found = await batch_items.from_lines(pieces(line * 40), limit=100, turns=Turns())
    errors = [item.error for item in found if isinstance(item, Invalid) and isinstance(item.error, ValidationError)]
    assert [len(error.violations) for error in errors] == [62] * 16 + [8] + [1] * 23
    assert {error.count for error in errors} == {62}


async def test_a_line_that_is_too_long_is_one_item_and_the_next_one_is_read() -> None:
    good = b'{"user_name": "Ann", "description": "text"}'
    long = b'{"user_name":"' + b"a" * (batch_items.LINE_MAX_BYTES + 10) + b'"}'
    longer = b'{"user_name":"' + b"a" * (3 * batch_items.LINE_MAX_BYTES)
    spaces = b" " * 2 * batch_items.LINE_MAX_BYTES
    lines = [good, long, spaces + good, longer, b"", good, spaces, longer]
    found = await batch_items.from_lines(pieces(b"\n".join(lines)), limit=100, turns=Turns())
    kinds = [type(item.error) if isinstance(item, Invalid) else type(item) for item in found]
    assert kinds == [BatchItem, BodyTooLargeError, BatchItem, BodyTooLargeError, BatchItem, BodyTooLargeError]


def test_the_bound_of_parts_is_beyond_any_valid_application() -> None:
    fields = BatchItem.model_json_schema()["properties"].values()
    longest = sum(max(each.get("maxLength", 0) for each in field.get("anyOf", [field])) for field in fields)
    assert longest + 4 * len(fields) + 10 < json_body.PARTS_MAX
    text = '{"user_name": %s, "description": %s}' % (json.dumps('"' * 255), json.dumps('"' * 10_000))  # noqa: UP031
    assert json_body.new_application(text.encode()).description == '"' * 10_000


def test_a_crowded_body_is_told_so() -> None:
    with pytest.raises(ValidationError) as crowded:
        json_body.new_application(HEAVY["unknown members"])
    [error] = document.document(crowded.value, language="en", request_id="-")["errors"]
    assert error["pointer"] == "#"
    assert error["code"] == "too_many_parts"
    assert "12000" in error["detail"]
