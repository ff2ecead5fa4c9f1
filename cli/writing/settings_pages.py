"""Every setting as the code has it: for docs/settings.md, `.env.template` and the README's tables."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, Literal, get_args, get_origin

import annotated_types
from pydantic import SecretStr
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined
from pydantic_settings import BaseSettings

from cli.environment import MODELS
from cli.settings import Settings as TopicSettings
from devstack.settings import Settings as DevstackSettings
from gateway.settings import Settings as GatewaySettings
from stream_workers.settings import Settings as WorkerSettings

_BOTH = "Gateway and workers"
_TITLES: dict[type[BaseSettings], str] = {
    GatewaySettings: "Gateway",
    WorkerSettings: "Workers",
    TopicSettings: "Topics (`headgate topics create`)",
    DevstackSettings: "Development stack (`make run`)",
}
_INTRODUCTION = (
    "Every setting is an environment variable, and can stand in a file `.env` in the working folder; the environment "
    "wins. An impossible value, or a name in `.env` that does not exist, stops the start with a message that names it. "
    "`headgate config` shows what is in force and where it comes from. `make docs` writes this page from the code."
)
_BOUNDS_INTRODUCTION = "Two values that do not fit stop the start with a message that names both and how to mend them."
_HOW_TO_COPY = (
    "# Copy to .env and take away the # of what you change. The environment wins over this file; a name that is not\n"
    "# listed here stops the start. `headgate config` shows what is in force; docs/settings.md has the limits, too."
)


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


def table(rows: Iterator[str]) -> list[str]:
    return ["| setting | default | what it is |", "|---|---|---|", *rows]


def _bounds() -> Iterator[str]:
    yield from ("| setting | at most | why |", "|---|---|---|")
    for model in MODELS:
        for bound in getattr(model, "bounds", ()):
            only = f" (with `{bound.when.upper()}`)" if bound.when else ""
            yield f"| `{bound.less.upper()}` | {bound.limit}{only} | {bound.why} |"


def page(everything: list[Setting]) -> str:
    lines = [
        "# Settings",
        "",
        _INTRODUCTION,
    ]
    for section in [_BOTH, *_TITLES.values()]:
        rows = (setting.row for setting in everything if setting.section == section)
        lines += ["", f"## {section}", "", *table(rows)]
    lines += ["", "## Which setting bounds which", "", _BOUNDS_INTRODUCTION, "", *_bounds()]
    return "\n".join(lines) + "\n"


def template(everything: list[Setting]) -> str:
    lines = [_HOW_TO_COPY]
    for section in [_BOTH, *_TITLES.values()]:
        lines += ["", f"# ---- {section.replace('`', '')}"]
        for setting in everything:
            if setting.section == section:
                lines += ["", f"# {setting.meaning}".replace("`", ""), f"#{setting.name}={setting.default}"]
    return "\n".join(lines) + "\n"
