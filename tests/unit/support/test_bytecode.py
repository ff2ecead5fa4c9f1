"""What Python compiles is kept, whatever the shell that tests are started from says."""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[3]


def test_no_program_that_a_test_starts_compiles_all_of_its_modules_anew() -> None:
    assert "PYTHONDONTWRITEBYTECODE" not in os.environ
    assert not sys.dont_write_bytecode


def test_no_target_of_make_compiles_all_of_its_modules_anew() -> None:
    shows = "shows:\n\t@echo $${PYTHONDONTWRITEBYTECODE:-kept}\n"
    command = ["make", "--silent", "-f", "Makefile", "-f", "-", "shows"]
    told = os.environ | {"PYTHONDONTWRITEBYTECODE": "1"}
    made = subprocess.run(command, cwd=ROOT, env=told, input=shows, text=True, capture_output=True, check=True)
    assert made.stdout == "kept\n"
