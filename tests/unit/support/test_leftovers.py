"""tests/support/leftovers.py: one failed test is one failure."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.commands import ROOT

TWO = """
import gc
import socket

def test_ends_before_it_has_closed_what_it_opened():
    opened = [socket.socket()]
    opened.append(opened)
    assert not opened

def test_another():
    gc.collect()
"""


@pytest.mark.parametrize(("plugin", "passed"), [("tests.support.leftovers", 1), ("no:cacheprovider", 0)])
def test_what_a_failed_test_leaves_open_fails_no_other(tmp_path: Path, plugin: str, passed: int) -> None:
    (tmp_path / "test_two.py").write_text(TWO)
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-W",
        "error",
        "-p",
        plugin,
        "-p",
        "no:asyncio",
        "-p",
        "no:schemathesis",
    ]
    found = subprocess.run(
        command, cwd=tmp_path, env={"PYTHONPATH": str(ROOT)}, capture_output=True, text=True, timeout=120, check=False
    )
    assert f"{2 - passed} failed" in found.stdout, found.stdout
