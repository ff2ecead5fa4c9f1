"""The project's programs as real processes that begin with their modules loaded.

A Python of its own spends seconds of a core on importing what every service imports; one that is forked from a server
that has done so once takes a moment, and is from there on like any other: its own pid, signals, memory and end.
"""

import ctypes
import gc
import multiprocessing
import multiprocessing.connection
import os
import runpy
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Mapping, Sequence
from functools import cache
from multiprocessing import forkserver
from multiprocessing.context import ForkServerContext
from pathlib import Path

from cli.environment import known_names
from devstack.child import Child

# Nothing happens when they are imported, so that it makes no difference who does it.
_LOADED = (
    "gateway.server",
    "stream_workers.worker",
    "cli.services.gateway_command",
    "cli.services.worker_command",
    "cli.audit.audit_command",
    "cli.doctor.doctor_command",
    "cli.removal.forget_command",
    __name__,
)
_PR_SET_PDEATHSIG = 1
_asking = threading.Lock()  # a status can be read once, and each start asks for those of all others


class Forked:
    """``python -m MODULE ARGUMENTS`` with this environment and its output in ``log``; as much of a Popen as is used.

    Its errors are in ``errors``, where that is another file, and its folder is ``cwd``. What the environment decides at
    import (NO_CYTHON), or the folder that code lies in, needs a Python of its own.
    """

    def __init__(
        self,
        command: Sequence[str],
        *,
        env: Mapping[str, str],
        log: Path,
        errors: Path | None = None,
        cwd: Path | None = None,
    ) -> None:
        log.touch()
        outputs = (str(log), str(errors or log))
        begin = (list(command), dict(env), outputs, str(cwd or Path.cwd()))
        self._process = _server().Process(target=_run, args=begin, daemon=True)
        with _asking:
            self._process.start()
        assert self._process.pid is not None
        self.pid = self._process.pid

    def poll(self) -> int | None:
        """Its exit status, -N after signal N; None while it runs."""
        with _asking:
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


def headgate(
    *words: str, env: Mapping[str, str] | None = None, cwd: Path | None = None, seconds: float = 150
) -> "subprocess.CompletedProcess[str]":
    """`headgate WORDS` to its end, with these settings and no others; what it said on each stream."""
    clean = {name: value for name, value in os.environ.items() if name not in known_names()}
    with tempfile.TemporaryDirectory() as folder:
        out, err = Path(folder, "out"), Path(folder, "err")
        process = Forked(["cli", *words], env={**clean, **(env or {})}, log=out, errors=err, cwd=cwd)
        try:
            status = process.wait(seconds)
        finally:
            process.send_signal(signal.SIGKILL)
        return subprocess.CompletedProcess(words, status, out.read_text(), err.read_text())


def prepare() -> None:
    """Have the server begin to load, so that who forks the first process does not wait for it."""
    _server()
    forkserver.ensure_running()


@cache
def _server() -> ForkServerContext:
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(list(_LOADED))
    return context


def _run(command: list[str], env: dict[str, str], outputs: tuple[str, str], cwd: str) -> None:
    """In the new process: make it what a start of Python would have made, and run the module."""
    gc.freeze()  # who looks for garbage writes to all that is not frozen, and would copy all that the server has loaded
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)  # not to outlive the tests
    os.setsid()
    for standard, path in enumerate(outputs, 1):
        output = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
        os.dup2(output, standard)
        os.close(output)
    os.chdir(cwd)
    os.environ.clear()
    os.environ.update(env)
    sys.argv[:] = command
    runpy.run_module(command[0], run_name="__main__", alter_sys=True)
