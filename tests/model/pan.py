"""The model of the write path, compiled by spin and the C compiler into a checker and run."""

import re
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

MODEL = Path(__file__).with_name("write_path.pml")
TOOLS_MISSING = " and ".join(tool for tool in ("spin", "gcc") if shutil.which(tool) is None)


@dataclass(frozen=True)
class Verdict:
    """What one exhaustive search found: ``violated`` is the first broken assertion, None when there is none."""

    states: int
    violated: str | None
    unreached: int


def check(folder: Path, *, budgets: Mapping[str, int], without: str | None = None, cycles: bool = False) -> Verdict:
    """Search every interleaving within the budgets; ``without`` takes one rule out.

    With ``cycles`` an endless run is the violation looked for. Raises CalledProcessError where a tool fails.
    """
    flags = [f"-D{name}={count}" for name, count in budgets.items()] + ([f"-D{without}"] if without else [])
    subprocess.run(["spin", *flags, "-a", str(MODEL)], cwd=folder, check=True, capture_output=True, timeout=60)
    kind = "-DNP" if cycles else "-DSAFETY"
    # A mutation is found so soon that compiling is what takes the time; -O2 costs a whole search more than it gains.
    optimised = "-O0" if without else "-O1"
    compiler = ["gcc", optimised, "-w", kind, "-DNOFAIR", "-DMEMLIM=6000", "-o", "pan", "pan.c"]
    subprocess.run(compiler, cwd=folder, check=True, capture_output=True, timeout=120)
    search = ["./pan", "-m200000", *(["-l"] if cycles else [])]
    done = subprocess.run(search, cwd=folder, check=True, capture_output=True, text=True, timeout=900)
    return _read(done.stdout)


def _read(report: str) -> Verdict:
    if "Search not completed" in report and "pan:1:" not in report:
        raise RuntimeError(f"the search did not finish:\n{report[-2000:]}")
    states = re.search(r"([\d.e+]+) states, stored", report)
    found = re.search(r"pan:1: (.*) \(at depth", report)
    errors = re.search(r"errors: (\d+)", report)
    if states is None or errors is None:
        raise RuntimeError(f"no verdict in the report:\n{report[-2000:]}")
    violated = found.group(1) if found else ("unknown" if int(errors.group(1)) else None)
    unreached = re.findall(r"unreached in proctype gateway\n(.*?)\(\d+ of \d+ states\)", report, flags=re.DOTALL)
    return Verdict(int(float(states.group(1))), violated, len(unreached[0].splitlines()) - 1 if unreached else 0)
