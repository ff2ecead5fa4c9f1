"""Whether `headgate` has a command, asked of the command itself."""

import functools
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


@functools.cache
def exists(*words: str) -> bool:
    """Whether `headgate WORDS… --help` has something to say."""
    command = [sys.executable, "-m", "cli", *words, "--help"]
    return subprocess.run(command, cwd=ROOT, capture_output=True, timeout=60, check=False).returncode == 0
