"""Writes `.env.template` from the settings themselves: `python -m cli.env_template > .env.template`."""

from collections.abc import Iterator

import typer
from pydantic import SecretStr
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings

from cli.settings import Settings as TopicSettings
from devstack.settings import Settings as DevstackSettings
from gateway.settings import Settings as GatewaySettings
from stream_workers.settings import Settings as WorkerSettings

_PARTS: tuple[tuple[str, type[BaseSettings]], ...] = (
    ("The gateway", GatewaySettings),
    ("The stream workers", WorkerSettings),
    ("The topics, as `headgate topics create` makes them", TopicSettings),
    ("The development stack, `make run`", DevstackSettings),
)


def template() -> str:
    """Every setting once, commented out, with its meaning and its default."""
    return "\n".join(_lines())


def _lines() -> Iterator[str]:
    yield "# Copy to .env and take away the # of what you change. The environment wins over this file;"
    yield "# a name that is not listed here stops the start. `headgate config` shows what is in force."
    seen: set[str] = set()
    for title, model in _PARTS:
        yield f"\n# --- {title}"
        for name, field in model.model_fields.items():
            if name not in seen:
                seen.add(name)
                yield from _setting(name, field)
    yield ""


def _setting(name: str, field: FieldInfo) -> Iterator[str]:
    if field.description:
        yield f"# {field.description}"
    yield f"#{name.upper()}={_shown(field.default)}"


def _shown(default: object) -> str:
    if isinstance(default, SecretStr):
        return default.get_secret_value()
    if isinstance(default, tuple):
        return ",".join(map(str, default))
    return "" if default is None else str(default)


if __name__ == "__main__":
    typer.echo(template(), nl=False)
