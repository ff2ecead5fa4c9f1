"""Writes down what the code says: every setting (docs/settings.md, `.env.template`, the README's tables), OpenAPI,
and ready requests for people's tools.

``python -m cli.documentation`` in the repository's root writes them anew; ``--check`` and a test compare them.
"""

import json
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

import annotated_types
from pydantic import SecretStr
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined
from pydantic_settings import BaseSettings

from cli.environment import MODELS
from cli.settings import Settings as TopicSettings
from cli.writing.request_examples import http_file, postman
from devstack.settings import Settings as DevstackSettings
from gateway.app import create_api
from gateway.settings import Settings as GatewaySettings
from stream_workers.settings import Settings as WorkerSettings

_BOTH = "Gateway and workers"
_TITLES: dict[type[BaseSettings], str] = {
    GatewaySettings: "Gateway",
    WorkerSettings: "Workers",
    TopicSettings: "Topics (`headgate topics create`)",
    DevstackSettings: "Development stack (`make run`)",
}
# What a first reader wants to know; all the others are on the page of their own.
_IN_README = (
    "DATABASE_URL", "DATABASE_READ_URL", "KAFKA_BOOTSTRAP_SERVERS", "GATEWAY_HOST", "GATEWAY_PORT",
    "GATEWAY_PROCESSES", "AUTH_REQUIRED", "RATE_LIMIT_PER_MINUTE", "RATE_LIMIT_STORAGE", "BATCH_MAX_ITEMS",
    "WORKER_WEB_HOST", "WORKER_WEB_PORT", "WORKER_WEB_TOKEN", "WORKER_INSTANCE_ID", "KAFKA_PARTITIONS",
    "KAFKA_REPLICATION_FACTOR", "KAFKA_MIN_INSYNC_REPLICAS", "LOG_LEVEL", "LOG_FORMAT", "HEADGATE_DATA_DIR",
)  # fmt: skip
_INTRODUCTION = (
    "Every setting is an environment variable, and can stand in a file `.env` in the working folder; the environment "
    "wins. An impossible value, or a name in `.env` that does not exist, stops the start with a message that names it. "
    "`headgate config` shows what is in force and where it comes from. `make docs` writes this page from the code."
)
_HOW_TO_COPY = (
    "# Copy to .env and take away the # of what you change. The environment wins over this file; a name that is not\n"
    "# listed here stops the start. `headgate config` shows what is in force; docs/settings.md has the limits, too."
)
_READMES = ("README.md", "README.ru.md")
_TABLE = re.compile(r"(<!-- settings -->\n).*?(<!-- /settings -->)", re.DOTALL)


@dataclass(frozen=True)
class Setting:
    """One setting as a reader needs it; ``default`` is what one would write into `.env`."""

    name: str
    section: str
    default: str
    meaning: str
    allowed: str

    @property
    def row(self) -> str:
        default = f"`{self.default}`" if self.default else "not set"
        allowed = f"; {self.allowed}" if self.allowed else ""
        return f"| `{self.name}` | {default} | {self.meaning}{allowed} |"


def settings() -> list[Setting]:
    """Every setting once, in the order of the models; what several parts read comes first."""
    found: dict[str, Setting] = {}
    for model in MODELS:
        for field, info in model.model_fields.items():
            name = field.upper()
            known = found.get(name)
            found[name] = replace(known, section=_BOTH) if known else _setting(name, _TITLES[model], info)
    return sorted(found.values(), key=lambda setting: [_BOTH, *_TITLES.values()].index(setting.section))


def documents(root: Path) -> dict[Path, str]:
    """Each file that is written from the code, with the text that it should have."""
    everything = settings()
    in_readme = {setting.name: setting.row for setting in everything}
    table = "\n".join(_table(in_readme[name] for name in _IN_README))
    readmes = {
        root / name: _TABLE.sub(lambda found: f"{found[1]}{table}\n{found[2]}", (root / name).read_text())
        for name in _READMES
    }
    api = create_api().openapi()
    return {
        root / "docs/settings.md": _page(everything),
        root / ".env.template": _template(everything),
        root / "docs/openapi.json": json.dumps(api, indent=2, ensure_ascii=False) + "\n",
        root / "examples/headgate.postman_collection.json": postman(api),
        root / "examples/headgate.http": http_file(api),
        **readmes,
    }


def _setting(name: str, section: str, info: FieldInfo) -> Setting:
    return Setting(name, section, _default(info), info.description or "", _allowed(info))


def _default(info: FieldInfo) -> str:
    value: Any = info.default
    if value is None or value is PydanticUndefined or value == ():
        return ""
    if isinstance(value, SecretStr):
        return value.get_secret_value()
    return str(value).lower() if isinstance(value, bool) else str(value)


def _allowed(info: FieldInfo) -> str:
    if get_origin(info.annotation) is Literal:
        return "one of " + ", ".join(f"`{choice}`" for choice in get_args(info.annotation))
    limits = info.metadata
    least = [f"at least {limit.ge}" for limit in limits if isinstance(limit, annotated_types.Ge)]
    above = [f"more than {limit.gt}" for limit in limits if isinstance(limit, annotated_types.Gt)]
    most = [f"at most {limit.le}" for limit in limits if isinstance(limit, annotated_types.Le)]
    return ", ".join(least + above + most)


def _table(rows: Iterator[str]) -> list[str]:
    return ["| setting | default | what it is |", "|---|---|---|", *rows]


def _page(everything: list[Setting]) -> str:
    lines = [
        "# Settings",
        "",
        _INTRODUCTION,
    ]
    for section in [_BOTH, *_TITLES.values()]:
        rows = (setting.row for setting in everything if setting.section == section)
        lines += ["", f"## {section}", "", *_table(rows)]
    return "\n".join(lines) + "\n"


def _template(everything: list[Setting]) -> str:
    lines = [_HOW_TO_COPY]
    for section in [_BOTH, *_TITLES.values()]:
        lines += ["", f"# ---- {section.replace('`', '')}"]
        for setting in everything:
            if setting.section == section:
                lines += ["", f"# {setting.meaning}".replace("`", ""), f"#{setting.name}={setting.default}"]
    return "\n".join(lines) + "\n"


def main(*, check: bool) -> int:
    """0 when every file is, or with ``check`` was, as the code has it."""
    stale = 0
    for path, text in documents(Path.cwd()).items():
        if check and (not path.exists() or path.read_text() != text):
            sys.stderr.write(f"{path.name} is not what the code says: run `make docs`\n")
            stale = 1
        elif not check:
            path.parent.mkdir(exist_ok=True)
            path.write_text(text)
    return stale


if __name__ == "__main__":
    sys.exit(main(check="--check" in sys.argv))
