"""What is the same for every server of the stack: how it is started, ended, killed and stopped in its tracks."""

import signal
from abc import ABC, abstractmethod
from pathlib import Path
from typing import ClassVar

from devstack.child import Child


class Server(ABC):
    """One server in one data folder. Blocking; from async code use ``asyncio.to_thread``.

    ``port`` 0 picks a free one, which then stays.
    """

    _ready: ClassVar[str]  # what its log says when it serves clients
    _ready_seconds: ClassVar[float]
    _stop_signal: ClassVar[signal.Signals]

    def __init__(self, data_dir: Path, *, name: str, port: int, log: Path) -> None:
        self.data_dir = data_dir.absolute()
        self.name = name
        self.port = port
        self.log = log.absolute()
        self.child: Child | None = None

    @abstractmethod
    def launch(self) -> None:
        """Make the data if there is none and start the server; it is not ready on return."""

    @abstractmethod
    def end_leftover(self) -> None:
        """End what a killed parent may have left running on this data."""

    def start(self) -> None:
        """Make the data if there is none, start the server, return when it serves clients."""
        self.launch()
        self.wait_ready()

    def wait_ready(self) -> None:
        child = self.running_child()
        child.wait_until(lambda: self._ready in child.output(), seconds=self._ready_seconds)

    def stop(self, *, seconds: float = 30.0) -> None:
        """Shutdown in good order; SIGKILL if it takes longer."""
        if self.child:
            self.child.signal_all(signal.SIGCONT)
            self.child.stop(self._stop_signal, seconds=seconds)
            self.child = None

    def kill(self) -> None:
        """SIGKILL to every process of the server, as in a crash of the machine that keeps its disk."""
        if self.child:
            self.child.kill()
            self.child = None

    def restart(self) -> None:
        self.stop()
        self.start()

    def pause(self) -> None:
        """SIGSTOP to every process of the server: connections stay open and nothing answers."""
        self.running_child().signal_all(signal.SIGSTOP)

    def resume(self) -> None:
        self.running_child().signal_all(signal.SIGCONT)

    def running_child(self) -> Child:
        """Its process as last started; RuntimeError if it never was."""
        if self.child is None:
            raise RuntimeError(f"{self.name} is not started")
        return self.child
