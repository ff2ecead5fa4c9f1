"""Ctrl-C while modules are loaded: an end at once, wherever it comes."""

import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from cli.loading import loading

# What is raised in __del__, as in whatever compiled code calls, is told on the error stream and is gone.
_PROGRAM = """
import os, signal
from cli.loading import loading
class Amid:
    def __del__(self):
        os.kill(os.getpid(), signal.SIGINT)
        for _ in range(1000): pass
with loading():
    del (amid := [Amid()])[0]
print("went on")
"""


def test_an_interrupt_in_the_middle_of_compiled_code_is_not_lost() -> None:
    done = subprocess.run([sys.executable, "-c", _PROGRAM], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "")


@contextmanager
def handled(by: Any) -> Iterator[None]:
    """What the tests around have in force comes back afterwards."""
    before = signal.signal(signal.SIGINT, by)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def test_afterwards_it_is_what_it_was() -> None:
    with handled(signal.default_int_handler):
        with loading():
            assert signal.getsignal(signal.SIGINT) is not signal.default_int_handler
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


@pytest.mark.parametrize("handler", [signal.SIG_IGN, lambda *_: None])
def test_whoever_ignores_or_handles_it_goes_on_so(handler: Any) -> None:
    """As a shell has it ignored for what runs in the background."""
    with handled(handler), loading():
        assert signal.getsignal(signal.SIGINT) is handler


def test_in_another_thread_nothing_is_changed() -> None:
    found: list[object] = []

    def load() -> None:
        with loading():
            found.append(signal.getsignal(signal.SIGINT))

    with handled(signal.default_int_handler):
        thread = threading.Thread(target=load)
        thread.start()
        thread.join()
    assert found == [signal.default_int_handler]
