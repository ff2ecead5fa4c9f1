"""What of a user's name is taken: one spelling for what looks the same, and something that can be seen.

Held to where names come in. Whatever was stored or published before is read as it is (docs/decisions/names.md).
"""

import re
import unicodedata

from pydantic_core import PydanticCustomError, PydanticKnownError

USER_NAME_MAX = 255

# Letters and marks that draw nothing (Default_Ignorable_Code_Point of Unicode's database), and the blank of Braille.
_BLANK = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2065\u2800\u3164\ufe00-\ufe0f\uffa0\ufff0-\ufff8\U000e0000-\U000e0fff]"
)
# Controls, signs of format, separators.
_UNSEEN = frozenset({"Cc", "Cf", "Zl", "Zp", "Zs"})


def submitted(name: str) -> str:
    """The name as it is stored: normalised, and refused where nobody could see any of it or that is too long."""
    if name.isascii() and name.isprintable():  # most are, and then there is nothing to look for
        return name
    if not any(map(_is_seen, name)):
        raise PydanticCustomError("string_unseen", "must have a character that can be seen")
    composed = normalised(name)
    if len(composed) > USER_NAME_MAX:
        raise PydanticKnownError("string_too_long", {"max_length": USER_NAME_MAX})
    return composed


def normalised(name: str) -> str:
    """Unicode's form NFC: *Zoë* is one name, whether its last letter was typed as one character or as two."""
    return unicodedata.normalize("NFC", name)


def spellings(name: str) -> list[str]:
    """The name in each form that it may have been stored in before names were normalised."""
    return sorted({name, normalised(name), unicodedata.normalize("NFD", name)})


def _is_seen(character: str) -> bool:
    return unicodedata.category(character) not in _UNSEEN and not _BLANK.match(character)
