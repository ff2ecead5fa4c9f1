"""A JSON body that cannot be misunderstood: valid, not too deep, and with no member named twice.

Whatever comes, the work on it is bounded: what has more parts than any application is not decoded at all, of what is
decoded nothing becomes an object of Python's but text, and so many errors are worked out as are told.
"""

import json
from collections.abc import Callable
from itertools import islice
from typing import Any, NoReturn, TypeVar

from pydantic import ValidationError as PydanticError
from pydantic_core import SchemaValidator, core_schema, from_json

from contracts import NewApplication
from gateway.intake.body import BYTE_ORDER_MARK
from gateway.problems import violations
from gateway.problems.errors import GatewayError, MalformedJsonError, RepeatedMemberError, ValidationError
from gateway.problems.violations import Violation

New = TypeVar("New", bound=NewApplication)

ERRORS_MAX = 100
"""So many errors of one object are worked out and told, with their number."""

PARTS_MAX = 12_000
"""No valid application has so many quotation marks, braces, brackets or commas, were all its text made of them."""

_PARTS = (b'"', b"{", b"[", b",")

# A member has so many quotation marks around its name, and as many around its value where that is text.
_QUOTES = 2
# Required members are text: no valid body has fewer, and one that has just these has no other member, and none twice.
LEAST_QUOTES = 2 * _QUOTES * sum(field.is_required() for field in NewApplication.model_fields.values())


def or_else(schema: core_schema.CoreSchema, default: object) -> core_schema.CoreSchema:
    """Whatever is wrong is ``default``. pydantic's own error would make Python's objects of all that was sent."""
    return core_schema.with_default_schema(schema, default=default, on_error="default")


# The members of an object: text and null as they are, anything else as False; False for what is no object.
_text = or_else(core_schema.nullable_schema(core_schema.str_schema()), default=False)
_members = SchemaValidator(or_else(core_schema.dict_schema(core_schema.str_schema(), _text), default=False))


def reader_of(model: type[New]) -> Callable[[bytes], New]:
    """A function that reads an object of this kind from a body, or raises the error that names what is wrong with it.

    pydantic keeps the last of two equal members. Only a body with more than the least possible number of quotation
    marks can hold such a pair, so only that one is read a second time.
    """
    validate = SchemaValidator(or_else(model.__pydantic_core_schema__, default=None)).validate_json

    def read(body: bytes) -> New:
        body = body.removeprefix(BYTE_ORDER_MARK)
        if len(body) > PARTS_MAX:
            refuse_crowded(body)
        try:
            new: New | None = validate(body)
        except PydanticError as error:
            raise MalformedJsonError(reason=error.errors(include_input=False)[0]["ctx"]["error"]) from None
        if new is None:
            raise _error_of(body, model)
        if not _is_plain(body, new):
            refuse_repeated_members(body)
        return new

    return read


new_application = reader_of(NewApplication)


def refuse_crowded(body: bytes, most: int = PARTS_MAX) -> None:
    """ValidationError for what has too many parts; MalformedJsonError where already its beginning is no JSON."""
    if any(body.count(part) > most for part in _PARTS):
        try:
            from_json(body[:most], allow_inf_nan=False, allow_partial="trailing-strings")
        except ValueError as error:
            raise MalformedJsonError(reason=str(error)) from None
        raise ValidationError([Violation("pointer", "#", "too_many_parts", {"most": PARTS_MAX}, "")])


def _is_plain(body: bytes, new: NewApplication) -> bool:
    """Whether a valid body surely names no member twice; False where that can only be told by reading it again."""
    quotes = body.count(b'"')
    return quotes == LEAST_QUOTES or quotes == plain_quotes(new)


def plain_quotes(new: NewApplication) -> int:
    """The quotation marks of its JSON where nothing is escaped and no member is named twice: the least possible.

    Every member is text or null.
    """
    values, named = new.__dict__, new.__pydantic_fields_set__
    return 2 * _QUOTES * len(named) - _QUOTES * [values[name] for name in named].count(None)


def _error_of(body: bytes, model: type[NewApplication]) -> GatewayError:
    """What is wrong with a body that is JSON, but no ``model``."""
    try:
        refuse_repeated_members(body)
    except (MalformedJsonError, RepeatedMemberError) as error:
        return error
    return error_in(_members.validate_json(body), model)


def error_in(value: Any, model: type[NewApplication]) -> ValidationError:
    """What is wrong with a value: of an object with very many members the first errors, and how many there are."""
    kept = first_members(value, model) if isinstance(value, dict) else value
    try:
        model.__pydantic_validator__.validate_python(kept)
    except PydanticError as error:
        details = error.errors(include_url=False, include_input=False)
        left_out = len(value) - len(kept) if isinstance(value, dict) else 0
        return ValidationError(violations.of_body(details[:ERRORS_MAX]), count=len(details) + left_out)
    raise AssertionError("nothing is wrong with it")


def first_members(members: dict[str, Any], model: type[NewApplication]) -> dict[str, Any]:
    """The model's own members and as many others as can be told of: pydantic works out all errors or none."""
    others = (name for name in members if name not in model.model_fields)
    kept = [*(name for name in model.model_fields if name in members), *islice(others, ERRORS_MAX)]
    return {name: members[name] for name in kept}


def refuse_repeated_members(body: bytes) -> None:
    """RepeatedMemberError if any object in it names a member twice, however it is spelled."""
    try:
        _careful.decode(body.decode())
    except RecursionError:
        raise MalformedJsonError(reason="nested too deeply") from None
    except ValueError:
        raise MalformedJsonError(reason=fault(body)) from None


def fault(text: bytes | str) -> str:
    """What keeps a text from being JSON, in the same words whoever found it."""
    try:
        from_json(text, allow_inf_nan=False)
    except ValueError as error:
        return str(error)
    return "a text that is no JSON"


def unique_members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object from its members; RepeatedMemberError if one comes twice."""
    members = dict(pairs)
    if len(members) != len(pairs):
        raise RepeatedMemberError
    return members


def _no_constant(name: str) -> NoReturn:
    raise ValueError(name)


# Numbers stay text: what they are does not matter here, and to read a long one takes long.
_careful = json.JSONDecoder(
    object_pairs_hook=unique_members, parse_constant=_no_constant, parse_int=str, parse_float=str
)
