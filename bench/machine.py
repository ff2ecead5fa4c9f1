"""On what it was measured: figures of two machines are not to be compared without this."""

import platform
import subprocess
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psutil

from bench.load import generator


def describe() -> dict[str, Any]:
    """Machine, versions, and how busy it was before the run began."""
    return {
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "commit": _commit(),
        "processor": _processor(),
        "cores": psutil.cpu_count(),
        "memory_gib": round(psutil.virtual_memory().total / 2**30),
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "load_before": psutil.getloadavg()[0],
        "generator": generator(),
    }


def in_words(machine: dict[str, Any]) -> str:
    """One line, and a warning where something else was running."""
    words = (
        f"{machine['cores']} cores ({machine['processor']}), {machine['memory_gib']} GiB, {machine['system']}, "
        f"Python {machine['python']}, load by {machine['generator']}, commit {machine['commit']}"
    )
    if machine["load_before"] > 0.5:
        words += (
            f". The machine was busy before the run began (load {machine['load_before']:.1f}): read the ratios only"
        )
    return words


def _processor() -> str:
    information = Path("/proc/cpuinfo")
    if information.exists():
        names = (line for line in information.read_text().splitlines() if line.startswith("model name"))
        for line in names:
            return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def _commit() -> str:
    run = subprocess.run(["git", "describe", "--always", "--dirty"], capture_output=True, text=True, check=False)
    return run.stdout.strip() or "unknown"
