"""What is personal on pages and in their JSON, and one rule for all of it.

A user's name is masked, what nobody could read keeps its shape alone, what a user wrote and the sketch of names are
left out, unless the address says ``names=full`` and whoever asks has the right to it (``Access.may_see_names``).
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from stream_workers.books.journal import masked
from stream_workers.books.users import ActiveUser

NAMES = "names"
VEIL = "•"
# Pages with something personal.
PERSONAL = frozenset({"overview", "tables", "entry", "live", "dead-letters", "letter", "trace"})
# Fields of a state that tell names.
_SKETCHES = frozenset({"active"})
# What a dead letter holds of whoever sent it.
_CONTENT = ("preview", "key", "value")


def in_full(query: Mapping[str, str]) -> bool:
    """Whether whoever asks wants to see names."""
    return query.get(NAMES) == "full"


def shown_name(name: str | None, *, names: bool) -> str | None:
    """A name, or what is shown of it."""
    return name if names or not name else masked(name)


def shown_users(users: Sequence[ActiveUser], *, names: bool) -> list[ActiveUser]:
    """The most active users by what is shown of their names."""
    return [replace(user, name=shown_name(user.name, names=names) or "") for user in users]


def shown_state(fields: dict[str, Any], *, names: bool) -> dict[str, Any]:
    """A state as it stands on the changelog, without what tells names."""
    return fields if names else {name: VEIL if name in _SKETCHES else value for name, value in fields.items()}


def shown_letter(letter: dict[str, Any], *, names: bool) -> dict[str, Any]:
    """A dead letter; of its content the shape, so that what is wrong with it may still be seen."""
    if names:
        return letter
    content = {name: veiled(letter[name]) for name in _CONTENT if name in letter}
    headers = [header | {"value": veiled(header["value"])} for header in letter.get("headers", ())]
    return letter | content | ({"headers": headers} if headers else {})


def veiled(text: str | None) -> str | None:
    """Every letter and digit hidden; what is between them stays."""
    return text and re.sub(r"\w", VEIL, text)
