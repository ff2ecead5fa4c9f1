"""The project's programs as real processes that begin with their modules loaded.

A Python of its own spends seconds of a core on importing what every service imports; one that is forked from a server
that has done so once takes a moment, and is from there on like any other: its own pid, signals, memory and end.
"""

import ctypes
import multiprocessing
import multiprocessing.connection
import os
import runpy
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from functools import cache
from multiprocessing import forkserver
from multiprocessing.context import ForkServerContext
from pathlib import Path

from devstack.child import Child

# Nothing happens when they are imported, so that it makes no difference who does it.
_LOADED = (
    "gateway.server",
    "stream_workers.worker",
    "cli.services.gateway_command",
    "cli.services.worker_command",
    __name__,
)
_PR_SET_PDEATHSIG = 1


class Forked:
    """``python -m MODULE ARGUMENTS`` with this environment and its output in ``log``; as much of a Popen as is used.

    What the environment decides at import (NO_CYTHON), or the folder that code lies in, needs a Python of its own.
    """

    def __init__(self, command: Sequence[str], *, env: Mapping[str, str], log: Path) -> None:
        log.touch()
        self._process = _server().Process(target=_run, args=(list(command), dict(env), str(log)), daemon=True)
        self._process.start()
        self._asking = threading.Lock()  # its status can be read once
        assert self._process.pid is not None
        self.pid = self._process.pid

    def poll(self) -> int | None:
        """Its exit status, -N after signal N; None while it runs."""
        with self._asking:
            return self._process.exitcode

    def wait(self, timeout: float | None = None) -> int:
        """Its exit status; TimeoutExpired if it does not end in time."""
        multiprocessing.connection.wait([self._process.sentinel], timeout)
        status = self.poll()
        if status is None:
            raise subprocess.TimeoutExpired(str(self._process), timeout or 0)
        return status

    def send_signal(self, sig: int, /) -> None:
        if self.poll() is None:
            os.kill(self.pid, sig)


def forked(command: Sequence[str], *, name: str, log: Path, env: Mapping[str, str]) -> Child:
    """What ``spawn`` of devstack is to a Python of its own."""
    start = log.stat().st_size if log.exists() else 0
    return Child(name, Forked(command, env=env, log=log), log, start)


def prepare() -> None:
    """Have the server begin to load, so that who forks the first process does not wait for it."""
    _server()
    forkserver.ensure_running()


@cache
def _server() -> ForkServerContext:
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(list(_LOADED))
    return context


def _run(command: list[str], env: dict[str, str], log: str) -> None:
    """In the new process: make it what a start of Python would have made, and run the module."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)  # not to outlive the tests
    os.setsid()
    output = os.open(log, os.O_WRONLY | os.O_APPEND)
    for standard in (1, 2):
        os.dup2(output, standard)
    os.close(output)
    os.environ.clear()
    os.environ.update(env)
    sys.argv[:] = command
    runpy.run_module(command[0], run_name="__main__", alter_sys=True)
