"""The live line, the summary and the histogram of `headgate load`."""

import asyncio
import json
import math
import time
from collections.abc import Iterator

import typer
import uvloop
from rich.console import Console
from rich.live import Live

from cli.errors import CommandError
from cli.load.figures import GOOD, Figures
from cli.load.load import Plan, Traffic

_REFRESH_SECONDS = 0.25
_SHARES = (0.5, 0.9, 0.99, 0.999)
_BAR = 40


def show(plan: Plan, *, as_json: bool) -> None:
    """Run the plan with a live line on a terminal, then print what came; CommandError if not all were accepted."""
    console = Console(highlight=False, stderr=as_json)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        traffic = runner.run(_shown(plan, console))
    figures, read = traffic.figures, traffic.read
    if as_json:
        typer.echo(json.dumps(fields(figures) | {"read": fields(read) if plan.reads else None}))
    else:
        console.print(summary(figures), soft_wrap=True)
        if read.answers:
            console.print(f"\nread again\n{summary(read)}", soft_wrap=True)
    errors = figures.errors + read.errors
    if errors or not figures.accepted:
        raise CommandError(f"{errors} of {errors + figures.accepted + read.accepted} requests were not accepted")


def fields(figures: Figures) -> dict[str, object]:
    """The same for programs; latencies in milliseconds."""
    return {
        "accepted": figures.accepted,
        "errors": figures.errors,
        "seconds": round(figures.seconds, 3),
        "rate": round(figures.accepted / max(figures.seconds, 1e-9), 1),
        "latency_ms": {
            **{f"p{share * 100:g}": round(figures.percentile(share) * 1000, 3) for share in _SHARES},
            "max": round(figures.slowest * 1000, 3),
        },
        "statuses": figures.statuses,
        "failures": figures.failures,
        "histogram": [{"at_most_ms": edge * 1000, "answers": count} for edge, count in figures.histogram()],
    }


def line(figures: Figures, seconds: float, rate: float) -> str:
    """One line, wide enough for a small terminal."""
    return (
        f"{seconds:6.1f} s  {rate:8,.0f}/s  p50 {figures.percentile(0.5) * 1000:7.1f} ms  "
        f"p99 {figures.percentile(0.99) * 1000:7.1f} ms  errors {figures.errors}"
    )


def summary(figures: Figures) -> str:
    """What came back, how fast, and why the rest did not."""
    seconds = max(figures.seconds, 1e-9)
    milliseconds = "  ".join(f"p{share * 100:g} {figures.percentile(share) * 1000:.1f}" for share in _SHARES)
    lines = [
        f"accepted  {figures.accepted:,} in {seconds:.1f} s: {figures.accepted / seconds:,.0f}/s",
        f"latency   {milliseconds}  max {figures.slowest * 1000:.1f} ms",
    ]
    other = [f"{status}: {count:,}" for status, count in sorted(figures.statuses.items()) if status not in GOOD]
    lost = [f"{kind}: {count:,}" for kind, count in sorted(figures.failures.items())]
    return "\n".join([*lines, *([f"errors    {', '.join(other + lost)}"] if other or lost else []), *bars(figures)])


def bars(figures: Figures) -> Iterator[str]:
    """The histogram: how many answers took at most so long, and longer than the line above."""
    rows = figures.histogram()
    most = max((count for _, count in rows), default=0)
    for edge, count in rows:
        yield f"{edge * 1000:>8g} ms {'█' * math.ceil(_BAR * count / most):<{_BAR}} {count:,}".rstrip()


async def _shown(plan: Plan, console: Console) -> Traffic:
    """The run beside its live line; Ctrl-C ends it early, and what was measured stands."""
    traffic = Traffic(plan)
    task = asyncio.create_task(traffic.run())
    began = time.perf_counter()
    before, before_at = 0, began
    with Live(console=console, auto_refresh=False, transient=True) as live:
        try:
            while not (await asyncio.wait({task}, timeout=_REFRESH_SECONDS))[0]:
                now, answers = time.perf_counter(), traffic.figures.answers + traffic.read.answers
                live.update(line(traffic.figures, now - began, (answers - before) / (now - before_at)), refresh=True)
                before, before_at = answers, now
            await task
        except asyncio.CancelledError:
            task.cancel()
            traffic.figures.seconds = traffic.read.seconds = time.perf_counter() - began
    return traffic
