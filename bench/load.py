"""Load over HTTP: wrk where it is installed, else the bundled client, whose own limit is shown beside."""

import asyncio
import json
import shutil
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

_SCRIPTS = Path(__file__).with_name("wrk")
USERS, DESCRIPTION = 10_000, 100


@dataclass(frozen=True)
class Load:
    """What one stretch of load brought."""

    requests: int
    seconds: float
    p50_ms: float
    p99_ms: float
    max_ms: float
    refused: int
    broken: int
    p999_ms: float = 0.0

    @property
    def rate(self) -> float:
        return self.requests / self.seconds


@dataclass(frozen=True)
class Shot:
    """What is sent. ``script`` is one of post, batch, get, one, mixed; ``arguments`` go to it, such as ids."""

    script: str
    path: str = ""
    arguments: tuple[int | str, ...] = (USERS, DESCRIPTION)
    header: str = ""


POST = Shot("post")


@dataclass(frozen=True)
class Mix:
    """Shots by the name of their kind, each with its weight, so many a second over so many connections."""

    kinds: Mapping[str, tuple[int, Shot]]
    rate: float
    connections: int


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


async def pace(address: str, mix: Mix, *, seconds: float, patience: float = 30) -> dict[str, Load]:
    """Load at a fixed rate for so long, by kind; a request is timed from when it was due.

    What was refused is told, and as broken what has no answer so many seconds after the end.
    """
    kinds = {
        name: {"weight": weight, "script": shot.script, "path": shot.path, "arguments": shot.arguments}
        for name, (weight, shot) in mix.kinds.items()
    }
    plan = {"address": address, **asdict(mix), "kinds": kinds, "seconds": seconds, "patience": patience}
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "bench.paced", stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
    )
    output, _ = await process.communicate(json.dumps(plan).encode())
    return {name: Load(**load) for name, load in json.loads(output).items()}


def _wrk(address: str, shot: Shot, connections: int, seconds: float) -> list[str]:
    script = _SCRIPTS / ("report.lua" if shot.script == "get" else f"{shot.script}.lua")
    flags = ["-t1", f"-c{connections}", f"-d{max(1, round(seconds))}s", "--timeout", "30s", "-s", str(script)]
    header = ["-H", shot.header] if shot.header else []
    return ["wrk", *flags, *header, address + shot.path, "--", *map(str, shot.arguments)]


def _own(address: str, shot: Shot, connections: int, seconds: float) -> list[str]:
    arguments = [address, shot.script, shot.path or "/", str(connections), str(seconds), *map(str, shot.arguments)]
    return [sys.executable, "-m", "bench.client", *arguments]
