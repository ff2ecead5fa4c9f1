"""What a part of the benchmark hands back: tables to read, verdicts on budgets, and plain figures for later runs."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Table:
    """Rows of cells that are text already."""

    title: str
    columns: tuple[str, ...]
    rows: Sequence[tuple[str, ...]]


@dataclass(frozen=True)
class Verdict:
    """One budget and what was measured; ``met`` is judged on medians."""

    budget: str
    measured: str
    met: bool


@dataclass
class Finding:
    """Everything of one part. ``figures`` goes into the JSON as it is."""

    part: str
    tables: list[Table] = field(default_factory=list)
    verdicts: list[Verdict] = field(default_factory=list)
    figures: dict[str, Any] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def judge(self, budget: str, measured: str, *, met: bool) -> None:
        self.verdicts.append(Verdict(budget, measured, met))
