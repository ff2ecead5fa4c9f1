"""Which questions may be counted with the page that they are asked for: those whose count one index bounds."""

import pytest

from gateway.read.statements import is_indexed


@pytest.mark.parametrize(
    ("names", "indexed"),
    [
        ((), False),  # everything there is
        (("user_name",), True),
        (("user_name", "created_from", "created_to"), True),
        (("created_from",), True),
        (("owner",), True),
        (("owner", "created_to"), True),
        (("owner", "user_name"), False),  # a rare name among all that a key wrote
        (("user_name__like",), False),
        (("user_name", "user_name__like"), False),
    ],
)
def test_what_one_index_answers_is_cheap_to_count(names: tuple[str, ...], indexed: bool) -> None:
    assert is_indexed(names) == indexed
