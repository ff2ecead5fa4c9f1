"""The command line of `headgate doctor`."""

import asyncio
import json
from dataclasses import asdict
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from cli.doctor.examination import examine
from cli.doctor.finding import Finding

_COLOURS = {"ok": "green", "warning": "yellow", "failed": "red"}


def doctor(
    *, as_json: Annotated[bool, typer.Option("--json", help="One JSON document instead of a table.")] = False
) -> None:
    """Look at everything that Headgate needs, and say what is wrong and how to mend it. Exit code 1 if anything is."""
    findings = [finding for part in asyncio.run(examine()).values() for finding in part]
    if as_json:
        typer.echo(json.dumps([asdict(finding) for finding in findings], indent=2, ensure_ascii=False))
    else:
        _show(findings)
    raise typer.Exit(int(any(finding.status == "failed" for finding in findings)))


def _show(findings: list[Finding]) -> None:
    table = Table(box=None, show_header=False, pad_edge=False)
    for column in ("status", "what", "found"):
        table.add_column(column, no_wrap=column != "found", overflow="fold")
    for finding in findings:
        status = f"[{_COLOURS[finding.status]}]{finding.status}[/]"
        text = finding.found if not finding.remedy else f"{finding.found}\n→ {finding.remedy}"
        table.add_row(status, finding.what, text.replace("[", r"\["))
    Console().print(table)
    counts = {status: sum(finding.status == status for finding in findings) for status in _COLOURS}
    typer.echo(", ".join(f"{count} {status}" for status, count in counts.items() if count))
