"""All names that others build on, asked of the code: what docs/stability.md promises to keep.

A release writes them down, `python -m tests.unit.contracts.promises`, and a test holds every later tree to the file.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from cli.environment import known_names
from contracts import Topics
from contracts.asyncapi import document
from gateway.app import create_api
from gateway.problems.document import texts
from stream_workers.kinds import KINDS
from tests.support.commands import commands
from tests.support.exposed import exposed

FILE = Path(__file__).with_name("promised.json")


def promises() -> dict[str, list[str]]:
    """By part: each name in it, with the names above it in front."""
    parts = {
        "commands": _commands(),
        "events": _events(),
        "http": _http(),
        "metrics": exposed(),
        "problems": texts(),
        "settings": known_names(),
        "states": _states(),
    }
    return {part: sorted(names) for part, names in parts.items()}


def required() -> list[str]:
    """What a caller must give: one thing more would break those who do not."""
    fields_asked = (
        f"{model} {name}" for model in ("NewApplication", "BatchItem") for name in _schemas()[model]["required"]
    )
    return sorted([*fields_asked, *_arguments(commands(), "headgate")])


def _http() -> Iterator[str]:
    for path, operations in create_api().openapi()["paths"].items():
        for method, operation in operations.items():
            call = f"{method.upper()} {path}"
            yield call
            yield from (
                f"{call} {parameter['in']} {parameter['name']}" for parameter in operation.get("parameters", ())
            )
            yield from (f"{call} takes {kind}" for kind in operation.get("requestBody", {}).get("content", ()))
            yield from (f"{call} answers {status}" for status in operation["responses"])
    for name, schema in _schemas().items():
        yield from (f"{name} {member}" for member in schema["properties"])


def _schemas() -> dict[str, Any]:
    schemas: dict[str, Any] = create_api().openapi()["components"]["schemas"]
    return schemas


def _events() -> Iterator[str]:
    described = document(Topics())
    yield from (channel["address"] for channel in described["channels"].values())
    for name, message in described["components"]["messages"].items():
        yield from (f"{name} header {header}" for header in message["headers"]["properties"])
    letter = described["components"]["messages"]["deadLetter"]["headers"]["properties"]
    yield from (f"deadLetter reason {reason}" for reason in letter["reason"]["enum"])


def _states() -> Iterator[str]:
    for kind in KINDS.values():
        yield from (kind.group(Topics()), kind.changelog(Topics()))


def _commands() -> Iterator[str]:
    yield from _below(commands(), "headgate")


def _below(command: Any, words: str) -> Iterator[str]:
    yield words
    for parameter in command.params:
        yield from (f"{words} {option}" for option in parameter.opts if option.startswith("--"))
    for name, below in getattr(command, "commands", {}).items():
        yield from _below(below, f"{words} {name}")


def _arguments(command: Any, words: str) -> Iterator[str]:
    yield from (f"{words} {parameter.name}" for parameter in command.params if parameter.required)
    for name, below in getattr(command, "commands", {}).items():
        yield from _arguments(below, f"{words} {name}")


if __name__ == "__main__":
    FILE.write_text(json.dumps(promises() | {"required": required()}, indent=1) + "\n")
