"""The header Idempotency-Key, quoted and bare."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts import NewApplication, content_of
from gateway.intake.idempotency import PATTERN, of_content, parse
from gateway.problems.errors import KeyInvalidError

_PRINTABLE = [chr(code) for code in range(0x20, 0x7F)]


@pytest.mark.parametrize(
    ("header", "key"),
    [
        (b"8e03978e-40d5-43dd-bc93-6894a57f9324", "8e03978e-40d5-43dd-bc93-6894a57f9324"),
        (b'"8e03978e-40d5-43dd-bc93-6894a57f9324"', "8e03978e-40d5-43dd-bc93-6894a57f9324"),
        (b'  "a b"\t', "a b"),
        (rb'"say \"hi\" \\ there"', r'say "hi" \ there'),
        (b"x" * 255, "x" * 255),
        (b'it"s', 'it"s'),
    ],
)
def test_keys(header: bytes, key: str) -> None:
    assert parse(header) == key
    assert re.search(PATTERN, header.decode().strip())  # what OpenAPI says


@pytest.mark.parametrize(
    "header",
    [
        b"",
        b"   ",
        b'""',
        b"a b",
        b'"',
        b'"a',
        b'"a"b"',
        b'"a"; p=1',
        b"x" * 256,
        b'"' + b"x" * 256 + b'"',
        b"caf\xc3\xa9",
    ],
    ids=repr,
)
def test_what_is_no_key(header: bytes) -> None:
    with pytest.raises(KeyInvalidError):
        parse(header)
    assert not re.search(PATTERN, header.decode().strip())


@given(st.text(alphabet=_PRINTABLE, min_size=1, max_size=255))
def test_a_quoted_key_is_what_was_quoted(key: str) -> None:
    quoted = '"' + key.replace("\\", "\\\\").replace('"', '\\"') + '"'
    assert parse(quoted.encode()) == key


def test_content_is_name_and_description_and_where_one_ends() -> None:
    one = of_content(NewApplication(user_name="ab", description="c"), seconds=5)
    same = of_content(NewApplication(user_name=" ab ", description="c"), seconds=5)
    other = of_content(NewApplication(user_name="a", description="bc"), seconds=5)
    assert one == same
    assert one.key != other.key
    assert one.client == ""


def test_content_stays_the_same_when_a_field_is_added_that_was_not_said() -> None:
    """Digests are kept across versions: names and values of what was said, in the model's order, and nothing else."""
    assert content_of(NewApplication(user_name="a", description="b")) == {"user_name": "a", "description": "b"}
