"""What Python compiles is kept, whatever the shell that tests are started from says."""

import os
import sys


def test_no_program_that_a_test_starts_compiles_all_of_its_modules_anew() -> None:
    assert "PYTHONDONTWRITEBYTECODE" not in os.environ
    assert not sys.dont_write_bytecode
