"""The effective settings, each with its source, secrets masked."""

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass

from dotenv import dotenv_values
from pydantic import SecretStr
from pydantic_settings import BaseSettings

from cli.environment import ENV_FILE, MODELS, read
from runtime.secrets import MASK, without_secrets

_URL = re.compile(r"(postgres|redis|memory)[a-z+]*://", re.IGNORECASE)


@dataclass(frozen=True)
class Line:
    """One setting: its name, its value fit for a screen, and where it comes from."""

    name: str
    value: str
    source: str


def effective() -> list[Line]:
    """All settings of all parts, by name."""
    found = {line.name: line for model in MODELS for line in _lines(model)}
    return sorted(found.values(), key=lambda line: line.name)


def _lines(model: type[BaseSettings]) -> Iterator[Line]:
    in_file = {name.upper() for name in dotenv_values(ENV_FILE)}
    in_environment = {name.upper() for name, value in os.environ.items() if value}
    settings = read(model)
    for field in model.model_fields:
        name = field.upper()
        source = "environment" if name in in_environment else ENV_FILE if name in in_file else "default"
        yield Line(name, _shown(getattr(settings, field)), source)


def _shown(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, SecretStr):
        return masked(value.get_secret_value())
    return without_secrets(str(value))


def masked(secret: str) -> str:
    """A URL of a server without its password; anything else is hidden whole."""
    return without_secrets(secret) if _URL.match(secret) else MASK
