"""Broken rules: what pydantic found wrong, and the texts in the language of the person who asked.

The codes are pydantic's error types (they are stable and documented); the words are in violation_texts.toml.
"""

import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any, Literal
from urllib.parse import quote

from pydantic_core import ErrorDetails

from gateway.problems.languages import Language

Place = Literal["pointer", "parameter", "header"]

# In FastAPI's errors the first part of a place says where the value came from.
_PLACES: dict[str, Place] = {
    "query": "parameter",
    "path": "parameter",
    "header": "header",
}


@dataclass(frozen=True, slots=True)
class Violation:
    """One broken rule: where (``place`` says what ``name`` is), which, and the rule's own figures.

    ``name`` of a body is a JSON pointer as a URI fragment (RFC 6901, section 6).
    """

    place: Place
    name: str
    code: str
    context: dict[str, object]
    message: str


def of_body(errors: Iterable[ErrorDetails | Mapping[str, Any]]) -> list[Violation]:
    """Violations of a body; each name is a JSON pointer as a URI fragment."""
    return [_violation("pointer", _pointer(error["loc"]), error) for error in errors]


def of_parameters(errors: Iterable[Mapping[str, Any]]) -> list[Violation]:
    """Violations of what FastAPI read for us: query and path parameters and headers."""
    found = []
    for error in errors:
        source, *rest = error["loc"]
        place = _PLACES.get(str(source), "pointer")
        name = _pointer(rest) if place == "pointer" else ".".join(map(str, rest))
        found.append(_violation(place, name, error))
    return found


def text(violation: Violation, language: Language) -> str:
    """The rule in words; pydantic's own English for a rule that has no words here."""
    words = _texts().get(violation.code)
    return words[language].format_map(violation.context) if words else violation.message


@cache
def _texts() -> dict[str, dict[Language, str]]:
    return tomllib.loads(files("gateway.problems").joinpath("violation_texts.toml").read_text("utf-8"))


def _violation(place: Place, name: str, error: ErrorDetails | Mapping[str, Any]) -> Violation:
    context: dict[str, object] = dict(error.get("ctx") or {})
    if "expected" in context:  # 'a', 'b' or 'c': a list in Python's form, and in English
        context["expected"] = ", ".join(re.findall(r"'([^']*)'", str(context["expected"])))
    return Violation(place, name, error["type"], context, error["msg"])


def _pointer(location: Iterable[int | str]) -> str:
    parts = (str(part).replace("~", "~0").replace("/", "~1") for part in location)
    return "#" + "".join(f"/{_fragment(part)}" for part in parts)


def _fragment(part: str) -> str:
    # A member's name is the client's text: cut, and percent-encoded where a URI fragment needs it.
    return quote(part[:100], safe="~!$&'()*+,;=:@-._", errors="replace")
