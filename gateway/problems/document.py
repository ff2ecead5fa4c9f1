"""Problem documents (RFC 9457): the one shape of every answer that is not a success."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

from pydantic_core import to_json

from gateway.problems import violations
from gateway.problems.errors import GatewayError, RequestError, ValidationError
from gateway.problems.languages import Language
from gateway.problems.violations import Violation

MEDIA_TYPE = "application/problem+json"

_EXAMPLE_VIOLATION = Violation("pointer", "#/user_name", "missing", {}, "")
_EXAMPLE_PARAMS = {
    "reason": "expected value at line 1 column 1",
    "scope": "applications:write",
    "allow": "GET",
    "accept": "application/json",
    "limit": "1048576",
    "parameters": "50",
    "seconds": "3",
}

Headers = list[tuple[bytes, bytes]]
Answer = tuple[int, Headers, bytes]
"""Status, headers and body."""


@dataclass(frozen=True, slots=True)
class Text:
    """What people read about one kind of problem, by language."""

    code: str
    status: int
    title: Mapping[Language, str]
    detail: Mapping[Language, str]
    mend: Mapping[Language, str]


@cache
def texts() -> dict[str, Text]:
    """All kinds of problems, by code."""
    raw = tomllib.loads(files("gateway.problems").joinpath("problem_texts.toml").read_text("utf-8"))
    return {code: Text(code=code, **entry) for code, entry in raw.items()}


def type_of(code: str, public: str = "") -> str:
    """The problem's ``type``: a path on this very service that leads to a page about it, behind its public address."""
    return f"{public}/problems/{code}"


def document(error: GatewayError, *, language: Language, request_id: str, public: str = "") -> dict[str, Any]:
    """The problem as a JSON object: RFC 9457's members, ``request_id`` and, for broken rules, ``errors``."""
    text = texts()[error.code]
    problem: dict[str, Any] = {
        "type": type_of(error.code, public),
        "title": text.title[language],
        "status": error.status,
        "detail": text.detail[language].format_map(error.params),
        "request_id": request_id,
    }
    if isinstance(error, RequestError) and error.violations:
        problem["errors"] = _broken_rules(error, language)
        if isinstance(error, ValidationError) and error.count > len(error.violations):
            problem["error_count"] = error.count
    return problem


def _broken_rules(error: RequestError, language: Language) -> list[dict[str, str]]:
    return [
        {one.place: one.name, "code": one.code, "detail": violations.text(one, language)} for one in error.violations
    ]


def answer(error: GatewayError, *, language: Language, request_id: str, public: str = "") -> Answer:
    """Status, headers and body of the answer to ``error``."""
    body = to_json(document(error, language=language, request_id=request_id, public=public))
    headers: Headers = [
        (b"content-type", MEDIA_TYPE.encode()),
        (b"content-length", b"%d" % len(body)),
        (b"content-language", language.encode()),
        (b"cache-control", b"no-store"),
    ]
    return error.status, headers + fields_of(error), body


def fields_of(error: GatewayError) -> Headers:
    """The header fields that go with this error, whatever form its answer has."""
    waits: Headers = [] if error.retry_after is None else [(b"retry-after", b"%d" % error.retry_after)]
    return [*waits, *((name.encode(), value.encode()) for name, value in error.headers)]


def example(code: str, language: Language = "en") -> dict[str, Any]:
    """A document of this kind as a client may see it, for the reference."""
    text = texts()[code]
    shown: dict[str, Any] = {
        "type": type_of(code),
        "title": text.title[language],
        "status": text.status,
        "detail": text.detail[language].format_map(_EXAMPLE_PARAMS),
        "request_id": "5f1c9be07a42-1f",
    }
    if code == ValidationError.code:
        shown["errors"] = _broken_rules(ValidationError([_EXAMPLE_VIOLATION]), language)
    return shown
