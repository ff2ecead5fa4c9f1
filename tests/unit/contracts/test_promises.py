"""What the last release promised is still there, and nobody is asked for more than then."""

import json

import pytest

from tests.unit.contracts.promises import FILE, promises, required

PROMISED = json.loads(FILE.read_text())
NOW = promises()


@pytest.mark.parametrize("part", NOW)
def test_no_name_is_taken_away(part: str) -> None:
    assert set(PROMISED[part]) - set(NOW[part]) == set(), "docs/stability.md says how a promise may end"


def test_a_caller_need_not_give_more_than_before() -> None:
    assert set(required()) - set(PROMISED["required"]) == set()
