"""`headgate config`: the effective settings."""

import typer

from cli.config import effective


def config() -> None:
    """Show the effective settings and where each comes from; secrets are masked."""
    lines = effective()
    names, values = (max(map(len, column)) for column in zip(*((line.name, line.value) for line in lines), strict=True))
    for line in lines:
        typer.echo(f"{line.name:{names}}  {line.value:{values}}  {line.source}")
