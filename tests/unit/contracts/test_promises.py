"""What the last release promised is still there, and nobody is asked for more than then."""

import json

import pytest

from tests.unit.contracts.promises import FILE, promises, required

PROMISED: dict[str, list[str]] = json.loads(FILE.read_text())


@pytest.fixture(scope="module")
def now() -> dict[str, list[str]]:
    return promises() | {"required": PROMISED["required"]}


@pytest.mark.parametrize("part", PROMISED)
def test_no_name_is_taken_away(part: str, now: dict[str, list[str]]) -> None:
    assert set(PROMISED[part]) - set(now[part]) == set(), "docs/stability.md says how a promise may end"


def test_a_caller_need_not_give_more_than_before() -> None:
    assert set(required()) - set(PROMISED["required"]) == set()
