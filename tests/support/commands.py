"""Whether `headgate` has a command and its options, asked of the command itself."""

import functools
import os
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def exists(*words: str) -> bool:
    """Whether `headgate WORDS… --help` has something to say."""
    return _help(*words).returncode == 0


def options(*words: str) -> set[str]:
    """The long options of `headgate WORDS…`."""
    return set(re.findall(r"--[a-z][a-z-]*", _help(*words).stdout))


@functools.cache
def _help(*words: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "cli", *words, "--help"]
    wide = {**os.environ, "COLUMNS": "200"}
    return subprocess.run(command, cwd=ROOT, env=wide, capture_output=True, text=True, timeout=60, check=False)
