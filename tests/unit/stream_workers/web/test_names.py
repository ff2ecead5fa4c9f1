"""One rule for user names on all pages."""

from base64 import b64decode
from dataclasses import replace

import orjson

from stream_workers.books.state import fresh, to_json
from stream_workers.books.users import ActiveUser, Users
from stream_workers.web.facts.names import in_full, shown_letter, shown_name, shown_state, shown_users, veiled


def test_names_are_masked_unless_the_address_asks() -> None:
    users = [ActiveUser("ada", 3, 3, 3)]
    assert not in_full({})
    assert in_full({"names": "full"})
    assert shown_users(users, names=False)[0].name == "a***"
    assert shown_users(users, names=True) == users
    assert shown_name(None, names=False) is None


def test_a_state_without_what_tells_names() -> None:
    users = Users().seen({"Philippa": 3})
    state = orjson.loads(to_json(replace(fresh("topic", 0), users=users)))
    assert b"Philippa" in b64decode(state["active"])
    hidden = shown_state(state, names=False)
    assert hidden["active"] == "•"
    assert {name for name in state if hidden[name] != state[name]} == {"active"}
    assert shown_state(state, names=True) == state


def test_the_shape_of_what_could_not_be_read_is_left() -> None:
    letter = {
        "preview": '{"user": ',
        "headers": [{"name": "by", "value": "ada"}, {"name": "x", "value": None}],
        "at": 1,
    }
    hidden = shown_letter(letter, names=False)
    assert hidden["preview"] == '{"••••": '
    assert [header["value"] for header in hidden["headers"]] == ["•••", None]
    assert letter["preview"] == '{"user": '
    assert shown_letter(letter, names=True) is letter
    assert (veiled(None), veiled("имя_1 ـ")) == (None, "•••••" + " •")
