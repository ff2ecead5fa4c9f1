"""What every command knows of its surroundings: the settings of all parts, and where a running `make run` listens."""

import difflib
import os
from typing import TypeVar

from dotenv import dotenv_values
from pydantic import ValidationError
from pydantic_core import ErrorDetails
from pydantic_settings import BaseSettings

from cli.errors import CommandError
from cli.settings import Settings as TopicSettings
from devstack import addresses
from devstack.settings import Settings as DevstackSettings
from gateway.settings import Settings as GatewaySettings
from runtime.secrets import without_secrets
from stream_workers.settings import Settings as WorkerSettings

ENV_FILE = ".env"
MODELS: tuple[type[BaseSettings], ...] = (GatewaySettings, WorkerSettings, TopicSettings, DevstackSettings)
# Other programs that read the same file: docker compose and the OpenTelemetry SDK.
_FOREIGN_PREFIXES = ("COMPOSE_", "DOCKER_", "OTEL_")

Model = TypeVar("Model", bound=BaseSettings)


def prepare() -> None:
    """Refuse a misspelt `.env`; then let the addresses of a running `make run` stand in for settings not set."""
    in_file = _env_file()
    _refuse_unknown(in_file)
    data_dir = read(DevstackSettings).headgate_data_dir
    for name, value in addresses.of_running_stack(data_dir).items():
        if name not in in_file:
            os.environ.setdefault(name, value)


def read(model: type[Model]) -> Model:
    """The settings, or a CommandError that names each impossible value."""
    try:
        return model()
    except ValidationError as error:
        raise CommandError(explain(model, error)) from None


def explain(model: type[BaseSettings], error: ValidationError) -> str:
    """One line for each impossible value; a secret's value is not repeated."""
    lines = []
    for problem in error.errors(include_url=False):
        if not problem["loc"]:  # about several settings: the message names them
            lines.append(problem["msg"].removeprefix("Value error, "))
            continue
        field = str(problem["loc"][0])
        given = "" if is_secret(model, field) else f" (it is {_shown(problem['input'])})"
        lines.append(f"{field.upper()}: {_wish(model, field, problem)}{given}")
    return "\n".join(lines)


def _shown(value: object) -> str:
    return repr(without_secrets(value) if isinstance(value, str) else value)


def _wish(model: type[BaseSettings], field: str, problem: ErrorDetails) -> str:
    """What is expected; a pattern is put in words where the setting has some."""
    meaning = model.model_fields[field].description
    if problem["type"] == "string_pattern_mismatch" and meaning:
        return f"has not the form of this setting: {meaning}"
    return problem["msg"].removeprefix("Value error, ")


def is_secret(model: type[BaseSettings], field: str) -> bool:
    """Whether the setting's value is never shown."""
    return "SecretStr" in repr(model.model_fields[field].annotation)


def known_names() -> set[str]:
    """Every setting that some part of Headgate reads."""
    return {field.upper() for model in MODELS for field in model.model_fields}


def is_set(name: str) -> bool:
    """Whether the environment or `.env` has a value for this setting."""
    return bool(os.environ.get(name) or _env_file().get(name))


def _env_file() -> dict[str, str | None]:
    try:
        return {name.upper(): value for name, value in dotenv_values(ENV_FILE).items()}
    except UnicodeDecodeError:
        raise CommandError(f"{ENV_FILE} is not a text file in UTF-8") from None
    except OSError as error:
        raise CommandError(f"{ENV_FILE} cannot be read: {error.strerror}") from None


def _refuse_unknown(in_file: dict[str, str | None]) -> None:
    known = known_names()
    for name in in_file:
        if name not in known and not name.startswith(_FOREIGN_PREFIXES):
            nearest = difflib.get_close_matches(name, sorted(known), n=1)
            hint = f"; did you mean {nearest[0]}?" if nearest else f"; {ENV_FILE}.template lists them all"
            raise CommandError(f"{ENV_FILE}: there is no setting {name}{hint}")
