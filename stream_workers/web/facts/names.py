"""User names on pages and in their JSON: one rule for all, masked unless the address says ``names=full``."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from stream_workers.books.journal import masked
from stream_workers.books.users import ActiveUser


def in_full(query: Mapping[str, str]) -> bool:
    """Whether whoever asks wants to see names."""
    return query.get("names") == "full"


def shown_name(name: str | None, *, names: bool) -> str | None:
    """A name, or what is shown of it."""
    return name if names or not name else masked(name)


def shown_users(users: Sequence[ActiveUser], *, names: bool) -> list[ActiveUser]:
    """The most active users by what is shown of their names."""
    return [replace(user, name=shown_name(user.name, names=names) or "") for user in users]
