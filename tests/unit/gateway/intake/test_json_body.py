"""However much is wrong with a body, only so much of it is worked out and told."""

import json
from collections.abc import AsyncIterator

import pytest

from gateway.intake import batch_items, json_body
from gateway.intake.turns import Turns
from gateway.problems.document import document
from gateway.problems.errors import GatewayError, RepeatedMemberError, ValidationError

UNKNOWN = {f"k{number}": 1 for number in range(5_000)}
BODY = json.dumps({"user_name": "a"} | UNKNOWN).encode()


async def pieces(body: bytes) -> AsyncIterator[bytes]:
    yield body


def _assert_bounded(error: GatewayError) -> None:
    assert isinstance(error, ValidationError)
    shown = document(error, language="en", request_id="-")
    assert len(shown["errors"]) == json_body.ERRORS_MAX
    assert shown["error_count"] == 5_001
    assert shown["errors"][0] == {"pointer": "#/description", "code": "missing", "detail": shown["errors"][0]["detail"]}


async def test_errors_are_bounded_and_counted_whichever_way_they_come() -> None:
    with pytest.raises(ValidationError) as single:
        json_body.new_application(BODY)
    [line] = await batch_items.from_lines(pieces(BODY + b"\n"), limit=10, turns=Turns())
    [item] = await batch_items.from_array(pieces(b"[" + BODY + b"]"), limit=10, turns=Turns())
    _assert_bounded(single.value)
    for invalid in (line, item):
        assert isinstance(invalid, batch_items.Invalid)
        _assert_bounded(invalid.error)


def test_a_member_twice_is_found_among_many() -> None:
    with pytest.raises(RepeatedMemberError):
        json_body.new_application(BODY[:-1] + b', "k1": 2}')


def test_few_errors_are_all_told_without_a_number() -> None:
    with pytest.raises(ValidationError) as few:
        json_body.new_application(b'{"x": 1}')
    shown = document(few.value, language="en", request_id="-")
    assert len(shown["errors"]) == 3
    assert "error_count" not in shown
