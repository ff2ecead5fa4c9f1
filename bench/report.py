"""What was found, as text for people and as JSON for later runs."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from bench.findings import Finding, Table, Verdict
from bench.machine import in_words

RESULTS = Path("bench/results")


def text_of(table: Table) -> str:
    """A Markdown table, aligned so that a terminal shows it well, too."""
    rows = [table.columns, *table.rows]
    widths = [max(len(row[column]) for row in rows) for column in range(len(table.columns))]
    lines = [
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) + " |" for row in rows
    ]
    rule = "|" + "|".join("-" * (width + 2) for width in widths) + "|"
    return "\n".join([f"\n### {table.title}\n", lines[0], rule, *lines[1:]])


def verdicts_of(findings: Sequence[Finding]) -> Table:
    """All budgets that this run could judge."""
    rows = [_line(verdict) for finding in findings for verdict in finding.verdicts]
    return Table("Budgets", ("budget", "measured", ""), rows)


def document(runs: Sequence[tuple[dict[str, Any], Sequence[Finding]]]) -> str:
    """Machine and findings of each run as Markdown, and the budgets of all."""
    parts = []
    for machine, findings in runs:
        parts.append(f"Measured {machine['at']} on {in_words(machine)}.")
        parts += [text_of(table) for finding in findings for table in finding.tables]
        parts += [f"\n{note}" for finding in findings for note in finding.notes]
        parts.append("")
    verdicts = verdicts_of([each for _, findings in runs for each in findings])
    return "\n".join([*parts, *([text_of(verdicts)] if verdicts.rows else []), ""])


def save(machine: dict[str, Any], findings: Sequence[Finding]) -> Path:
    """Write the run into bench/results under its time; returns the JSON's path."""
    RESULTS.mkdir(exist_ok=True)
    content = json.dumps({"machine": machine, "findings": [asdict(finding) for finding in findings]}, indent=1)
    stem = machine["at"].replace(":", "").replace("+0000", "Z")
    (RESULTS / f"{stem}.json").write_text(content)
    (RESULTS / f"{stem}.md").write_text(document([(machine, findings)]))
    return RESULTS / f"{stem}.json"


def _line(verdict: Verdict) -> tuple[str, str, str]:
    return verdict.budget, verdict.measured, "met" if verdict.met else "NOT met"
