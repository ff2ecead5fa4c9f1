"""Gateways as real processes: started, killed, stopped, and looked at from outside."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

import httpx
import psutil

from devstack.child import Process
from devstack.ports import free_port
from tests.support.forked import Forked


class GatewayProcess:
    """One `python -m gateway` (or another module that behaves like it) on a port of its own.

    ``generation`` counts its starts: promises about one process end with it. ``folder`` is where its code lies.
    Where that is elsewhere, or if it is to be ``fresh``, it is a Python of its own, else one that is forked.
    """

    def __init__(
        self,
        environment: Mapping[str, str],
        log: Path,
        *,
        module: str = "gateway",
        folder: Path | None = None,
        fresh: bool = False,
    ) -> None:
        self.port = free_port()
        self.generation = 0
        self.rss_max = 0
        self._environment = {**os.environ, **environment, "GATEWAY_PORT": str(self.port)}
        self._log, self._module, self._folder = log, module, folder
        self._fresh = fresh or folder is not None
        self._process: Process | None = None

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    @property
    def alive(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def start(self) -> None:
        self.generation += 1
        self._process = self._begun() if self._fresh else Forked([self._module], env=self._environment, log=self._log)

    def _begun(self) -> Process:
        with self._log.open("ab") as log:
            command = [sys.executable, "-m", self._module]
            return subprocess.Popen(command, cwd=self._folder, env=self._environment, stdout=log, stderr=log)

    async def ready(self, *, seconds: float = 150) -> None:
        """Returns once it says that it can accept."""
        deadline = time.monotonic() + seconds
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{self.port}") as client:
            while True:
                try:
                    if (await client.get("/readyz", timeout=5)).status_code == 200:
                        return
                except httpx.HTTPError:
                    pass
                assert self.alive, f"the gateway ended: {self._log.read_text()[-2000:]}"
                assert time.monotonic() < deadline, f"the gateway is not ready: {self._log.read_text()[-2000:]}"
                await asyncio.sleep(0.1)

    def kill(self) -> None:
        self._signal(signal.SIGKILL)
        self._wait()

    async def stop(self, *, seconds: float = 60) -> int:
        """SIGTERM; returns the exit code."""
        self._signal(signal.SIGTERM)
        return await asyncio.to_thread(self._wait, seconds)

    def pause(self) -> None:
        self._signal(signal.SIGSTOP)

    def resume(self) -> None:
        self._signal(signal.SIGCONT)

    def note_memory(self) -> int:
        """Resident bytes now; the most that was seen stays in ``rss_max``."""
        try:
            rss = int(psutil.Process(self.pid).memory_info().rss)
        except psutil.NoSuchProcess:
            return 0
        self.rss_max = max(self.rss_max, rss)
        return rss

    def _signal(self, number: int) -> None:
        if self.alive:
            os.kill(self.pid, number)

    def _wait(self, seconds: float = 30) -> int:
        assert self._process is not None
        return self._process.wait(seconds)
