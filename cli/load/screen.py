"""The live line and the summary of `headgate load`."""

import asyncio
import time

import uvloop
from rich.console import Console
from rich.live import Live

from cli.errors import CommandError
from cli.load.figures import Figures
from cli.load.load import Plan, Traffic

_REFRESH_SECONDS = 0.25


def show(plan: Plan) -> None:
    """Run the plan with a live line on a terminal, then print the summary; CommandError if not all were accepted."""
    console = Console(highlight=False)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        figures = runner.run(_shown(plan, console))
    console.print(summary(figures))
    if figures.errors or not figures.accepted:
        raise CommandError(f"{figures.errors} of {figures.errors + figures.accepted} requests were not accepted")


def line(figures: Figures, seconds: float, rate: float) -> str:
    """One line, wide enough for a small terminal."""
    return (
        f"{seconds:6.1f} s  {rate:8,.0f}/s  p50 {figures.percentile(0.5) * 1000:7.1f} ms  "
        f"p99 {figures.percentile(0.99) * 1000:7.1f} ms  errors {figures.errors}"
    )


def summary(figures: Figures) -> str:
    """What came back, how fast, and why the rest did not."""
    seconds = max(figures.seconds, 1e-9)
    milliseconds = "  ".join(
        f"p{share * 100:g} {figures.percentile(share) * 1000:.1f}" for share in (0.5, 0.9, 0.99, 0.999)
    )
    lines = [
        f"accepted  {figures.accepted:,} in {seconds:.1f} s: {figures.accepted / seconds:,.0f}/s",
        f"latency   {milliseconds}  max {figures.slowest * 1000:.1f} ms",
    ]
    other = [f"{status}: {count:,}" for status, count in sorted(figures.statuses.items()) if status != 201]
    lost = [f"{kind}: {count:,}" for kind, count in sorted(figures.failures.items())]
    return "\n".join([*lines, *([f"errors    {', '.join(other + lost)}"] if other or lost else [])])


async def _shown(plan: Plan, console: Console) -> Figures:
    """The run beside its live line; Ctrl-C ends it early, and what was measured stands."""
    traffic = Traffic(plan)
    task = asyncio.create_task(traffic.run())
    began = time.perf_counter()
    before, before_at = 0, began
    with Live(console=console, auto_refresh=False, transient=True) as live:
        try:
            while not (await asyncio.wait({task}, timeout=_REFRESH_SECONDS))[0]:
                now, answers = time.perf_counter(), traffic.figures.answers
                live.update(line(traffic.figures, now - began, (answers - before) / (now - before_at)), refresh=True)
                before, before_at = answers, now
            await task
        except asyncio.CancelledError:
            task.cancel()
            traffic.figures.seconds = time.perf_counter() - began
    return traffic.figures
