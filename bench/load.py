"""Load over HTTP: wrk where it is installed, else the bundled client, whose own limit is shown beside."""

import asyncio
import json
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

_SCRIPTS = Path(__file__).with_name("wrk")
USERS, DESCRIPTION = 10_000, 100


@dataclass(frozen=True)
class Load:
    """What one stretch of load brought; ``cpu_seconds`` is the generator's own."""

    requests: int
    seconds: float
    p50_ms: float
    p99_ms: float
    max_ms: float
    refused: int
    broken: int

    @property
    def rate(self) -> float:
        return self.requests / self.seconds


@dataclass(frozen=True)
class Shot:
    """What is sent. ``script`` is one of post, batch, get, one; ``arguments`` go to it: for `one`, ids in turn."""

    script: str
    path: str = ""
    arguments: tuple[int | str, ...] = (USERS, DESCRIPTION)
    header: str = ""


POST = Shot("post")


def generator() -> str:
    return "wrk" if shutil.which("wrk") else "the bundled client"


async def fire(address: str, shot: Shot, *, connections: int, seconds: float) -> Load:
    """Load for so long. RuntimeError if anything but 2xx or 3xx came back: such a rate would mean nothing."""
    command = (
        _wrk(address, shot, connections, seconds) if shutil.which("wrk") else _own(address, shot, connections, seconds)
    )
    process = await asyncio.create_subprocess_exec(
        *command, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    output, errors = await process.communicate()
    lines = [line for line in output.decode().splitlines() if line.startswith("{")]
    if process.returncode or not lines:
        raise RuntimeError(f"the load generator failed: {errors.decode()}{output.decode()}")
    load = Load(**json.loads(lines[-1]))
    if load.refused or load.broken or not load.requests:
        raise RuntimeError(f"{address} under load: {load}")
    return load


def _wrk(address: str, shot: Shot, connections: int, seconds: float) -> list[str]:
    script = _SCRIPTS / ("report.lua" if shot.script == "get" else f"{shot.script}.lua")
    flags = ["-t1", f"-c{connections}", f"-d{max(1, round(seconds))}s", "--timeout", "30s", "-s", str(script)]
    header = ["-H", shot.header] if shot.header else []
    return ["wrk", *flags, *header, address + shot.path, "--", *map(str, shot.arguments)]


def _own(address: str, shot: Shot, connections: int, seconds: float) -> list[str]:
    arguments = [address, shot.script, shot.path or "/", str(connections), str(seconds), *map(str, shot.arguments)]
    return [sys.executable, "-m", "bench.client", *arguments]
