"""The cursor: opaque, its own inverse, and of one search alone."""

import base64
from contextlib import suppress
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.problems.errors import CursorInvalidError
from gateway.read.cursor import Place, decode, encode

places = st.builds(Place, st.uuids(), st.booleans())
searches = st.dictionaries(st.text(max_size=8), st.text(max_size=12), max_size=3)


@given(last=places, search=searches)
def test_what_was_encoded_is_decoded(last: Place, search: dict[str, str]) -> None:
    cursor = encode(last, search)
    assert decode(cursor, search) == last
    assert len(cursor) <= 64
    assert cursor.isascii()


@given(last=places, one=searches, other=searches)
def test_a_cursor_belongs_to_its_search(last: Place, one: dict[str, str], other: dict[str, str]) -> None:
    if one != other:
        with pytest.raises(CursorInvalidError):
            decode(encode(last, one), other)


@given(st.text(max_size=64))
def test_any_other_text_is_refused(text: str) -> None:
    with pytest.raises(CursorInvalidError):
        decode(text, {})


@given(last=places, at=st.integers(0, 30), new=st.characters(codec="ascii"))
def test_a_changed_cursor_names_another_place_or_none(last: Place, at: int, new: str) -> None:
    cursor = encode(last, {"order_by": "created_at"})
    changed = cursor[:at] + new + cursor[at + 1 :]
    if changed == cursor:
        return
    with suppress(CursorInvalidError):
        assert decode(changed, {"order_by": "created_at"}) != last


def test_another_version_is_refused() -> None:
    raw = bytearray(base64.urlsafe_b64decode(encode(Place(UUID(int=1)), {}) + "="))
    raw[0] = 3
    with pytest.raises(CursorInvalidError):
        decode(base64.urlsafe_b64encode(bytes(raw)).rstrip(b"=").decode(), {})
