"""docs/drawings.md: tables, topics with who reads them, and the folders of both services, as the code has them."""

import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from sqlalchemy import Table

from contracts import Topics
from gateway.database.tables import applications
from stream_workers.kinds import KINDS

_HEAD = """\
# Drawings

Made from the code by `make docs`: the definition of the tables, the table of the kinds of workers, and the contracts
that hold the folders apart.
"""


def page(root: Path) -> str:
    """The whole page."""
    contracts = tomllib.loads((root / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    parts = [_HEAD, "## Topics", _drawn(topics()), "## Tables", _drawn(tables())]
    for contract in contracts:
        if contract["type"] == "layers":
            parts += [f"## {_heading(contract['name'])}", _drawn(layers(contract))]
    return "\n".join(parts)


def topics() -> Iterator[str]:
    """Who writes and who reads each topic."""
    names = Topics()
    yield "flowchart LR"
    yield f"    gateway([gateway]) --> applications[[{names.applications}]]"
    for kind in KINDS.values():
        yield f"    applications --> {kind}([worker {kind}])"
        yield f"    {kind} <--> {kind}-states[[{kind.changelog(names)}]]"
        if kind.serves_view:
            yield f"    {kind} --> letters[[{names.dead_letters}]]"
            yield f"    {kind} --> happened[[{names.happened}]]"
            yield f"    {kind}-states & happened --> view([web view])"


def tables() -> Iterator[str]:
    """Every table with its columns; what refers to what is said in the comments of the columns alone."""
    yield "erDiagram"
    yield "    direction LR"
    for table in applications.metadata.sorted_tables:
        yield from _table(table)


def _table(table: Table) -> Iterator[str]:
    yield f"    {table.name} {{"
    for column in table.columns:
        yield f"        {type(column.type).__name__.strip('_')} {column.name}{' PK' if column.primary_key else ''}"
    yield "    }"


def layers(contract: dict[str, Any]) -> Iterator[str]:
    """Each layer may import what stands below it; what stands side by side may not import each other."""
    yield "flowchart TB"
    rows = [layer.replace(":", "|").split("|") for layer in contract["layers"]]
    for number, row in enumerate(rows):
        yield f'    layer{number}["{" · ".join(name.strip() for name in row)}"]'
    yield f"    {' --> '.join(f'layer{number}' for number in range(len(rows)))}"


def _drawn(lines: Iterator[str]) -> str:
    return "\n".join(["```mermaid", *lines, "```", ""])


def _heading(name: str) -> str:
    return name[0].upper() + name[1:]
