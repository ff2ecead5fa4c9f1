"""A JSON array read in pieces of any size is the same array."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.intake.json_array import ELEMENT_MAX_CHARACTERS, ArrayReader
from gateway.problems.errors import MalformedJsonError, ValidationError

values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=12,
)


def read(body: bytes, size: int) -> list[Any]:
    reader = ArrayReader()
    found: list[Any] = []
    for start in range(0, len(body), size):
        found.extend(map(json.loads, reader.feed(body[start : start + size])))
    found.extend(map(json.loads, reader.end()))
    return found


@given(array=st.lists(values, max_size=6), size=st.integers(1, 40), ascii_only=st.booleans(), wide=st.booleans())
def test_pieces_do_not_matter(array: list[Any], size: int, ascii_only: bool, wide: bool) -> None:
    body = json.dumps(array, ensure_ascii=ascii_only, indent=2 if wide else None)
    try:
        encoded = body.encode()
    except UnicodeEncodeError:
        return
    assert read(encoded, size) == array


@given(st.binary(max_size=60), st.integers(1, 20))
def test_what_python_does_not_read_is_refused(body: bytes, size: int) -> None:
    try:
        expected = json.loads(body.decode())
    except ValueError:
        expected = None
    if isinstance(expected, list):
        read(body, size)
    else:
        with pytest.raises((MalformedJsonError, ValidationError)):
            read(body, size)


@given(values.filter(lambda value: not isinstance(value, list)), st.integers(1, 20))
def test_another_value_is_called_that(value: Any, size: int) -> None:
    with pytest.raises(ValidationError) as refused:
        read(json.dumps(value).encode(), size)
    assert [(one.name, one.code) for one in refused.value.violations] == [("#", "list_type")]


@pytest.mark.parametrize(
    "body",
    [
        *(b"", b" ", b"[", b"]", b"[1", b"[1,", b"[1,]", b"[,1]", b"[1 2]", b"[1]]", b"[1]x", b"[x]"),
        *(b"[\xff]", b"[1]\xc3", b"\xef\xbb\xbf\xef\xbb\xbf[]", b"[" * 100_000, b"[-]", b"[01]"),
    ],
    ids=lambda body: repr(body[:12]),
)
def test_what_is_no_array(body: bytes) -> None:
    with pytest.raises(MalformedJsonError):
        read(body, 7)


def test_what_an_element_says_is_for_others_to_judge() -> None:
    reader = ArrayReader()
    texts = [b'{"a": 1, "\\u0061": 2}', b"NaN", b"1" + b"0" * 5_000, b'"\\ud800"']
    assert [*reader.feed(b"[" + b", ".join(texts) + b"]"), *reader.end()] == texts


def test_an_element_without_end_is_given_up() -> None:
    reader = ArrayReader()
    list(reader.feed(b'["'))
    pieces = iter([b"x" * 65_536] * (3 * ELEMENT_MAX_CHARACTERS // 65_536))
    with pytest.raises(MalformedJsonError):
        [list(reader.feed(piece)) for piece in pieces]
    assert next(pieces, None), "not everything had to be taken"
