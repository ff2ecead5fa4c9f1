"""`make bench`, or `make bench ONLY=post,batch QUICK=1 ROUNDS=3 SECONDS=5`."""

import asyncio
import importlib
import sys
from collections.abc import AsyncIterator

from pydantic import ValidationError

from bench import machine as machine_
from bench import report
from bench.findings import Finding
from bench.settings import Settings
from bench.stage import raised


async def measure(settings: Settings) -> AsyncIterator[Finding]:
    """Every part on a stage of its own, so that none inherits what another one left behind."""
    for name in settings.parts:
        print(f"\n=== {name}", flush=True)
        part = importlib.import_module(f"bench.parts.{name}")
        async with raised(settings) as stage:
            finding: Finding = await part.run(stage)
        for table in finding.tables:
            print(report.text_of(table), flush=True)
        for note in finding.notes:
            print(f"\n{note}", flush=True)
        yield finding


async def report_each(settings: Settings) -> None:
    """What is measured is on disk at once: a run that is broken off in its last part has lost that part alone."""
    machine, findings = machine_.describe(), []
    print(machine_.in_words(machine), flush=True)
    async for finding in measure(settings):
        findings.append(finding)
        path = report.save(machine, findings)
    print(report.text_of(report.verdicts_of(findings)))
    print(f"\nwritten to {path}")


def main() -> int:
    try:
        settings = Settings()
    except ValidationError as error:
        for problem in error.errors():
            print(f"bench: {str(problem['loc'][0]).upper()}: {problem['msg']}", file=sys.stderr)
        return 2
    asyncio.run(report_each(settings))
    return 0


if __name__ == "__main__":
    sys.exit(main())
