"""Child processes that do not outlive this one, not even after SIGKILL."""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import psutil

from devstack.errors import DevstackError

_LOG_MAX_BYTES = 10_000_000
_POLL_SECONDS = 0.03
_spawner_lock = threading.Lock()
_spawner: list[ThreadPoolExecutor] = []


class Process(Protocol):
    """As much of a ``subprocess.Popen`` as a child needs."""

    pid: int

    def poll(self) -> int | None: ...

    def wait(self, timeout: float | None = None) -> int: ...

    def send_signal(self, sig: int, /) -> None: ...


@dataclass
class Child:
    """A running process, its log, and where the log stood when it began."""

    name: str
    process: Process
    log: Path
    log_start: int = 0
    pid_file: Path | None = field(default=None, repr=False)
    _started: float = field(default_factory=time.monotonic, repr=False)

    @property
    def pid(self) -> int:
        return self.process.pid

    @property
    def running(self) -> bool:
        return self.process.poll() is None

    @property
    def age(self) -> float:
        """Seconds since it was started, whether or not it still runs."""
        return time.monotonic() - self._started

    def output(self) -> str:
        """What it has written so far."""
        with self.log.open("rb") as file:
            file.seek(self.log_start)
            return file.read().decode(errors="replace")

    def last_lines(self, count: int = 10) -> str:
        return "\n".join(self.output().splitlines()[-count:])

    def epitaph(self) -> str:
        """What to tell about a process that ended by itself."""
        if "No space left on device" in self.output():
            return f"{self.name} ended: no space left on the disk of {self.log.parent}"
        status = self.process.poll()
        return f"{self.name} ended with status {status}; its last lines, from {self.log}:\n{self.last_lines()}"

    def signal_all(self, number: int) -> None:
        """Signal the process and all that it started; PostgreSQL's backends are not in its process group."""
        with contextlib.suppress(psutil.NoSuchProcess):
            parent = psutil.Process(self.pid)
            for process in [parent, *parent.children(recursive=True)]:
                with contextlib.suppress(psutil.NoSuchProcess):
                    process.send_signal(number)

    def stop(self, number: int = signal.SIGTERM, *, seconds: float = 20.0) -> int:
        """Ask it to end, insist after ``seconds``; returns its exit status. Harmless on one that has ended."""
        if self.running:
            self.process.send_signal(number)
            try:
                self.process.wait(seconds)
            except subprocess.TimeoutExpired:
                self.kill()
            except BaseException:  # a second Ctrl-C: no more patience
                self.kill()
                raise
        self._forget()
        return self.process.wait()

    def kill(self) -> None:
        """SIGKILL to it and all that it started, and wait until it is gone."""
        self.signal_all(signal.SIGKILL)
        self.process.wait()
        self._forget()

    def wait_until(self, ready: Callable[[], bool], *, seconds: float) -> None:
        """Poll until ``ready``; DevstackError if the process ends first or the time is over."""
        deadline = time.monotonic() + seconds
        while not ready():
            if not self.running:
                raise DevstackError(self.epitaph())
            if time.monotonic() > deadline:
                raise DevstackError(f"{self.name} was not ready after {seconds:.0f} s; see {self.log}")
            time.sleep(_POLL_SECONDS)

    def _forget(self) -> None:
        if self.pid_file:
            self.pid_file.unlink(missing_ok=True)


def spawn(
    args: Sequence[str | Path],
    *,
    name: str,
    log: Path,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
    pid_file: Path | None = None,
    when_orphaned: signal.Signals = signal.SIGKILL,
) -> Child:
    """Start a process whose output goes to ``log``, in a session of its own (a terminal's Ctrl-C is ours to pass on).

    Should this process die, it gets the signal ``when_orphaned`` (Linux); elsewhere ``end_leftover`` finds it later.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    _rotate(log)
    command = [*leash(when_orphaned), *map(str, args)]
    with log.open("ab") as file:
        start = file.tell()
        process = _spawner_thread().submit(_popen, command, file.fileno(), cwd, env).result()
    if pid_file:
        with contextlib.suppress(psutil.NoSuchProcess):
            pid_file.write_text(f"{process.pid} {psutil.Process(process.pid).create_time()}\n")
    return Child(name, process, log, start, pid_file)


def end_leftover(pid_file: Path) -> None:
    """Kill the process that ``pid_file`` names, if it is still that very one and not a later user of its number."""
    with contextlib.suppress(FileNotFoundError, ValueError, psutil.NoSuchProcess):
        pid, created = pid_file.read_text().split()
        process = psutil.Process(int(pid))
        if abs(process.create_time() - float(created)) < 1:
            process.kill()
            process.wait(10)
    pid_file.unlink(missing_ok=True)


def _popen(
    command: list[str], output: int, cwd: Path | None, env: Mapping[str, str] | None
) -> "subprocess.Popen[bytes]":
    return subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=subprocess.STDOUT,
        cwd=cwd,
        env=None if env is None else {**os.environ, **env},
        start_new_session=True,
    )


def _spawner_thread() -> ThreadPoolExecutor:
    """One thread that lives as long as this process: Linux counts the death of the *thread* that forked (prctl(2))."""
    with _spawner_lock:
        if not _spawner:
            _spawner.append(ThreadPoolExecutor(1, thread_name_prefix="devstack-spawner"))
        return _spawner[0]


def leash(number: signal.Signals) -> list[str]:
    """The start of an argument list whose process gets ``number`` when the thread that started it dies (prctl(2))."""
    if sys.platform != "linux" or not shutil.which("setpriv"):
        return []
    return ["setpriv", "--pdeathsig", number.name.removeprefix("SIG"), "--"]


def _rotate(log: Path) -> None:
    if log.exists() and log.stat().st_size > _LOG_MAX_BYTES:
        log.replace(log.with_name(f"{log.name}.1"))
