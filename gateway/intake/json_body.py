"""A JSON body that cannot be misunderstood: valid, not too deep, and with no member named twice."""

import json
from itertools import islice
from typing import Any, NoReturn

from pydantic import ValidationError as PydanticError

from contracts import NewApplication
from gateway.problems import violations
from gateway.problems.errors import MalformedJsonError, RepeatedMemberError, ValidationError

_validate = NewApplication.__pydantic_validator__.validate_json

ERRORS_MAX = 100
"""So many errors of one object are worked out and told, with their number."""

# A member has so many quotation marks around its name, and as many around its value where that is text.
_QUOTES = 2
# Required members are text: no valid body has fewer, and one that has just these has no other member, and none twice.
LEAST_QUOTES = 2 * _QUOTES * sum(field.is_required() for field in NewApplication.model_fields.values())


def new_application(body: bytes) -> NewApplication:
    """The application in the body, or the error that names what is wrong with it.

    pydantic keeps the last of two equal members. Only a body with more than the least possible number of quotation
    marks can hold such a pair, so only that one is read a second time.
    """
    try:
        new: NewApplication = _validate(body)
    except PydanticError as error:
        raise error_of(error, body) from None
    if not is_plain(body, new):
        refuse_repeated_members(body)
    return new


def is_plain(body: bytes, new: NewApplication) -> bool:
    """Whether a valid body surely names no member twice; False where that can only be told by reading it again."""
    quotes = body.count(b'"')
    return quotes == LEAST_QUOTES or quotes == plain_quotes(new)


def plain_quotes(new: NewApplication) -> int:
    """The quotation marks of its JSON where nothing is escaped and no member is named twice: the least possible.

    Every member is text or null.
    """
    values, named = new.__dict__, new.__pydantic_fields_set__
    return 2 * _QUOTES * len(named) - _QUOTES * [values[name] for name in named].count(None)


def error_of(
    error: PydanticError, body: bytes, model: type[NewApplication] = NewApplication
) -> MalformedJsonError | RepeatedMemberError | ValidationError:
    """What pydantic found, as an error of ours."""
    if error.error_count() > ERRORS_MAX:
        return _first_errors(error.error_count(), body, model)
    details = error.errors(include_url=False, include_input=False)
    if details[0]["type"] == "json_invalid":
        return MalformedJsonError(reason=details[0]["ctx"]["error"])
    try:
        refuse_repeated_members(body)
    except (MalformedJsonError, RepeatedMemberError) as repeated:
        return repeated
    return ValidationError(violations.of_body(details))


def first_members(members: dict[str, Any], model: type[NewApplication]) -> dict[str, Any]:
    """The model's own members and as many others as can be told of: pydantic works out all errors or none."""
    others = (name for name in members if name not in model.model_fields)
    kept = [*(name for name in model.model_fields if name in members), *islice(others, ERRORS_MAX)]
    return {name: members[name] for name in kept}


def _first_errors(
    count: int, body: bytes, model: type[NewApplication]
) -> MalformedJsonError | RepeatedMemberError | ValidationError:
    try:
        members = refuse_repeated_members(body)
    except (MalformedJsonError, RepeatedMemberError) as other:
        return other
    try:
        model.__pydantic_validator__.validate_python(first_members(members, model))
    except PydanticError as error:
        details = error.errors(include_url=False, include_input=False)
        return ValidationError(violations.of_body(details[:ERRORS_MAX]), count=count)
    raise AssertionError("as many errors are those of unknown members")


def refuse_repeated_members(body: bytes | str) -> Any:
    """The body's value; RepeatedMemberError if any object in it names a member twice, however it is spelled."""
    try:
        return json.loads(body, object_pairs_hook=unique_members, parse_constant=_no_constant)
    except RecursionError:
        raise MalformedJsonError(reason="nested too deeply") from None
    except ValueError as error:
        raise MalformedJsonError(reason=str(error)) from None


def unique_members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object from its members; RepeatedMemberError if one comes twice."""
    members = dict(pairs)
    if len(members) != len(pairs):
        raise RepeatedMemberError
    return members


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")
