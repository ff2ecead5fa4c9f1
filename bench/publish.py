"""`make bench-docs`: the latest tables of each part into docs/performance.md, and a chart into docs/benchmark.svg.

A part of which there is no run here keeps what the page says of it.
"""

import json
import re
import statistics
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bench.chart import Bar, svg
from bench.findings import Finding, Table, Verdict
from bench.parts.post import BARE, CONNECTIONS, ONE, TWO, USUAL
from bench.report import RESULTS, document
from bench.settings import PARTS

PAGE, CHART = Path("docs/performance.md"), Path("docs/benchmark.svg")
BEGIN, END = "<!-- measured: begin -->", "<!-- measured: end -->"
_BLOCK = re.compile(r"<!-- part: (\w+) -->\n(.*?)<!-- part: end -->\n", re.DOTALL)

Run = tuple[dict[str, Any], Finding]


def main() -> int:
    runs = newest()
    if not runs:
        print("bench: there is no run yet: `make bench` makes one", file=sys.stderr)
        return 1
    PAGE.write_text(page(PAGE.read_text(), runs))
    if "post" in runs:
        machine, post = runs["post"]
        CHART.write_text(chart(post.figures[str(CONNECTIONS[0])], machine))
    return 0


def newest() -> dict[str, Run]:
    """Of each part the run that measured it last: the machine as it was, and what was found."""
    latest: dict[str, Run] = {}
    for path in sorted(RESULTS.glob("[0-9]*.json")):
        run = json.loads(path.read_text())
        latest |= {each["part"]: (run["machine"], _finding(each)) for each in run["findings"]}
    return latest


def page(text: str, runs: Mapping[str, Run]) -> str:
    """The page with these runs in the place of earlier ones of the same parts; all parts in their order."""
    before, rest = text.split(BEGIN)
    inside, after = rest.split(END)
    blocks = dict(_BLOCK.findall(inside))
    blocks |= {part: f"\n{document([(machine, [finding])])}\n" for part, (machine, finding) in runs.items()}
    written = (f"<!-- part: {part} -->\n{blocks[part]}<!-- part: end -->\n" for part in PARTS if part in blocks)
    return f"{before}{BEGIN}\n\n{''.join(written)}\n{END}{after}"


def _finding(plain: dict[str, Any]) -> Finding:
    tables = [Table(**table) for table in plain["tables"]]
    verdicts = [Verdict(**verdict) for verdict in plain["verdicts"]]
    return Finding(**plain | {"tables": tables, "verdicts": verdicts})


def chart(rounds: dict[str, list[dict[str, Any]]], machine: dict[str, Any]) -> str:
    """The POST's rates with 64 connections."""
    title = f"POST /applications, {CONNECTIONS[0]} connections, {machine['cores']} cores for everything"
    return svg(title, [_bar(name, rounds[name]) for name in (BARE, ONE, TWO, USUAL) if name in rounds])


def _bar(name: str, rounds: list[dict[str, Any]]) -> Bar:
    rate = statistics.median(each["load"]["requests"] / each["load"]["seconds"] for each in rounds)
    tail = statistics.median(each["load"]["p99_ms"] for each in rounds)
    cpu = statistics.median(each["cpu"]["server"] for each in rounds)
    stores = "stores nothing" if name == BARE else f"p99 {tail:.0f} ms"
    return Bar(name, rate, f"{stores}, {cpu:.0f} µs CPU", name in (ONE, TWO))


if __name__ == "__main__":
    sys.exit(main())
