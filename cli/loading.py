"""Ctrl-C while modules are loaded, which may take seconds."""

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

INTERRUPTED = 130


@contextmanager
def loading() -> Iterator[None]:
    """Here Ctrl-C ends the process at once: there is nothing to be put in order yet.

    As an exception it may come in the middle of what compiled code has called, which then tells of it and goes on; and
    whoever pressed it waits for an end that does not come. Where it is ignored, or handled, it still is.
    """
    former = signal.getsignal(signal.SIGINT)
    if former is not signal.default_int_handler or threading.current_thread() is not threading.main_thread():
        yield
        return
    signal.signal(signal.SIGINT, _end)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, former)


def _end(_number: int, _frame: FrameType | None) -> None:
    os._exit(INTERRUPTED)
