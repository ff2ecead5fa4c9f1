"""`headgate config`: the effective settings."""

import json
from dataclasses import asdict
from typing import Annotated

import typer

from cli.config import effective


def config(*, as_json: Annotated[bool, typer.Option("--json", help="One JSON list instead of lines.")] = False) -> None:
    """Show the effective settings and where each comes from; secrets are masked."""
    lines = effective()
    if as_json:
        typer.echo(json.dumps([asdict(line) for line in lines], indent=2, ensure_ascii=False))
        return
    names, values = (max(map(len, column)) for column in zip(*((line.name, line.value) for line in lines), strict=True))
    for line in lines:
        typer.echo(f"{line.name:{names}}  {line.value:{values}}  {line.source}")
