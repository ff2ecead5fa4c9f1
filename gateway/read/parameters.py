"""Times and numbers as their grammars have them: of two readings of a text none is guessed."""

import re
from datetime import datetime, timedelta
from typing import Annotated

from pydantic import AwareDatetime, BeforeValidator, ValidatorFunctionWrapHandler, WrapValidator
from pydantic_core import PydanticCustomError

# RFC 3339, 5.6, and a time without zone, which has an error of its own. ``+03:00`` arrives as ``␠03:00`` when the plus
# was not percent-encoded: a space has no other place in a time.
_TIME = re.compile(
    r"(\d{4}-\d{2}-\d{2}[Tt](?:[01]\d|2[0-3]):[0-5]\d):([0-5]\d|60)(\.\d+)?(?:[Zz]|[-+ ](?:[01]\d|2[0-3]):[0-5]\d)?",
    re.ASCII,
)
_DIGITS = re.compile(r"\d+", re.ASCII)
_LEAP_SECOND = timedelta(seconds=1)


def _in_its_grammar(value: object) -> object:
    """pydantic would also read a number as a time, and other forms of ISO 8601."""
    if isinstance(value, str) and not _TIME.fullmatch(value):
        raise PydanticCustomError("datetime_parsing", "must be a time as in RFC 3339")
    return value.replace(" ", "+") if isinstance(value, str) else value


def _with_leap_second(value: object, read: ValidatorFunctionWrapHandler) -> datetime:
    """``:60`` is the second after ``:59``, which no calendar in a computer has."""
    if isinstance(value, str) and value[17:19] == "60":
        try:
            before: datetime = read(value[:17] + "59" + value[19:])
            return before + _LEAP_SECOND
        except OverflowError:
            raise PydanticCustomError("datetime_parsing", "must be a time as in RFC 3339") from None
    found: datetime = read(value)
    return found


def _digits(value: object) -> object:
    """pydantic would also read ``+1``, ``1_0``, ``1.0``, a space before it and the digits of other scripts."""
    if isinstance(value, str) and not _DIGITS.fullmatch(value):
        raise PydanticCustomError("int_parsing", "must be a whole number")
    return value


Time = Annotated[AwareDatetime, WrapValidator(_with_leap_second), BeforeValidator(_in_its_grammar)]
Integer = Annotated[int, BeforeValidator(_digits)]
