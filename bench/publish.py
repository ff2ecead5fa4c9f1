"""`make bench-docs`: the latest run's tables into docs/performance.md, and its chart into docs/benchmark.svg."""

import json
import statistics
import sys
from pathlib import Path
from typing import Any

from bench.chart import Bar, svg
from bench.parts.post import BARE, CONNECTIONS, ONE, TWO, USUAL
from bench.report import RESULTS

PAGE, CHART = Path("docs/performance.md"), Path("docs/benchmark.svg")
BEGIN, END = "<!-- measured: begin -->", "<!-- measured: end -->"


def main() -> int:
    latest = RESULTS / "latest.json"
    if not latest.exists():
        print("bench: there is no run yet: `make bench` makes one", file=sys.stderr)
        return 1
    run = json.loads(latest.read_text())
    before, rest = PAGE.read_text().split(BEGIN)
    _, after = rest.split(END)
    PAGE.write_text(f"{before}{BEGIN}\n\n{latest.with_suffix('.md').read_text()}\n{END}{after}")
    post = next((finding for finding in run["findings"] if finding["part"] == "post"), None)
    if post is not None:
        CHART.write_text(chart(post["figures"][str(CONNECTIONS[0])], run["machine"]))
    return 0


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
