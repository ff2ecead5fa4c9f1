"""A user's name: one spelling for what looks the same, and something that can be seen; what was stored stays."""

import unicodedata
from datetime import UTC, datetime
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from contracts import Application, NewApplication, content_of, from_record, value_of
from gateway.intake.idempotency import of_content

COMPOSED, APART = "Zo\u00eb", "Zoe\u0308"
UNSEEN = ["\u200b", "\u2060", "\u3164", "\u2800", "\u00ad", "\u202e", "\ufeff", "\x01\x1f", "\x7f", "\u115f\u1160"]
UNSEEN += ["\ufe0f", "\U000e0041", "\u2065", "\ufff0", "\u034f", "\u200b \u200b", "\u2028\u200d"]
SEEN = [
    "a\u200bb",
    "\u202eabc\u202c",
    "👩\u200d👩\u200d👧",
    "\u0645\u06cc\u200c\u062e",
    "a\x01",
    "ㄱ",
    "⠁",
    "\ue000",
    "李",
    "0",
]


def named(user_name: str) -> NewApplication:
    return NewApplication(user_name=user_name, description="text")


def code(user_name: str) -> str:
    with pytest.raises(ValidationError) as refused:
        named(user_name)
    return refused.value.errors()[0]["type"]


@pytest.mark.parametrize("name", UNSEEN, ids=ascii)
def test_a_name_that_nobody_can_see_is_refused(name: str) -> None:
    assert code(name) == "string_unseen"


@pytest.mark.parametrize("name", SEEN, ids=ascii)
def test_one_character_that_is_seen_is_enough(name: str) -> None:
    assert named(name).user_name == name


def test_a_name_has_one_spelling() -> None:
    assert named(APART).user_name == named(f"  {APART}\n").user_name == COMPOSED


@given(st.text(max_size=255))
def test_what_is_taken_is_normalised_not_too_long_and_taken_again_as_it_is(text: str) -> None:
    try:
        name = named(text).user_name
    except ValidationError:
        return
    assert unicodedata.is_normalized("NFC", name)
    assert 1 <= len(name) <= 255
    assert named(name).user_name == name


def test_a_length_counts_as_it_comes_and_as_it_is_stored() -> None:
    assert named("a" * 255)
    assert code("e\u0308" * 128) == "string_too_long"
    assert code("\u0958" * 128) == "string_too_long"  # two characters each, once normalised


@pytest.mark.parametrize("name", [APART, "\u200b"], ids=ascii)
def test_what_was_stored_or_published_before_is_read_as_it_is(name: str) -> None:
    id_, at = UUID("0198c0de-7a5c-7000-8000-00000000002a"), datetime(2026, 11, 23, 10, tzinfo=UTC)
    old = Application(id=id_, user_name=name, description="text", created_at=at)
    assert from_record(value_of(old), None).user_name == name
    assert content_of(old)["user_name"] == unicodedata.normalize("NFC", name)


def test_what_counts_as_the_same_content_is_what_it_was() -> None:
    """A repeat that comes after an upgrade finds the first one: the digest of a name in NFC has not changed."""
    assert of_content(named(COMPOSED), seconds=1) == of_content(named(APART), seconds=1)
    digest = "0c07d4fc031d98fca5f39416cf137625e6f06d384bff944741c568cc567f279d"
    assert of_content(named(COMPOSED), seconds=1).key == f"content:{digest}"
