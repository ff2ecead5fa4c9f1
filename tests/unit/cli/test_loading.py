"""Ctrl-C while modules are loaded: an end at once, wherever it comes."""

import signal
import subprocess
import sys
import threading

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


def test_afterwards_it_is_what_it_was() -> None:
    before = signal.getsignal(signal.SIGINT)
    with loading():
        assert signal.getsignal(signal.SIGINT) is not before
    assert signal.getsignal(signal.SIGINT) is before


def test_whoever_ignores_it_goes_on_ignoring_it() -> None:
    """As a shell has it for what runs in the background."""
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with loading():
            assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGINT, before)


def test_in_another_thread_nothing_is_changed() -> None:
    found: list[object] = []

    def load() -> None:
        with loading():
            found.append(signal.getsignal(signal.SIGINT))

    thread = threading.Thread(target=load)
    thread.start()
    thread.join()
    assert found == [signal.getsignal(signal.SIGINT)]
