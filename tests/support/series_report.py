"""The report of many series: a table for people, JSON for machines."""

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from tests.support.verdict import Verdict
from tests.support.write_path_series import Stack

_MEGABYTE = 1024 * 1024


@dataclass
class Report:
    """One line for each series; written after every one, so that an interrupted run has said what it saw."""

    file: Path
    lines: list[dict[str, Any]] = field(default_factory=list)

    def add(self, name: str, one: Stack, verdict: Verdict, *, recoveries: int, seconds: float) -> None:
        self.lines.append(
            {"series": name}
            | asdict(verdict)
            | {"lost": verdict.lost, "kills": one.kills, "recoveries": recoveries, "seconds": round(seconds, 1)}
            | {"memory_mb": max(one.memory, default=0) // _MEGABYTE, "answers": dict(one.crowd.outcomes)}
        )
        self.file.parent.mkdir(parents=True, exist_ok=True)
        self.file.write_text(json.dumps({"series": self.lines, "total": self.total()}, indent=2) + "\n")

    def total(self) -> dict[str, int]:
        """The sums of the counts."""
        names = ("accepted", "rows", "events", "lost", "duplicated", "differing", "out_of_order", "kills", "recoveries")
        return {name: sum(line[name] for line in self.lines) for name in names}

    def show(self) -> None:
        if not self.lines:
            return
        names = ("series", *self.total(), "seconds", "memory_mb")
        table = Table(*(name.replace("_", " ") for name in names), title="Faults against the write path")
        for line in [*self.lines, {"series": "total", "seconds": "", "memory_mb": ""} | self.total()]:
            table.add_row(*(str(line[name]) for name in names))
        Console(width=150).print(table)
