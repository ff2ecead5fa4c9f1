"""One rule for user names on all pages."""

from stream_workers.books.users import ActiveUser
from stream_workers.web.facts.names import in_full, shown_name, shown_users


def test_names_are_masked_unless_the_address_asks() -> None:
    users = [ActiveUser("ada", 3, 3, 3)]
    assert not in_full({})
    assert in_full({"names": "full"})
    assert shown_users(users, names=False)[0].name == "a***"
    assert shown_users(users, names=True) == users
    assert shown_name(None, names=False) is None
