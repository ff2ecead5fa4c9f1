"""A supervisor and its processes, from outside: nothing is left behind, and nobody waits at a port that none serves."""

import asyncio
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from contracts import Topics
from runtime.kafka.clients import Kafka
from tests.integration.gateway.observability.test_gateway_processes_observed import process
from tests.support.gateways import GatewayProcess
from tests.support.http_gateway import read_answer
from tests.support.write_path import eventually, rows

_BODY = b'{"user_name": "Ann", "description": "text"}'
_HEAD = b"POST /applications HTTP/1.1\r\nHost: gateway\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"


@pytest.fixture
def gateway(database_url: str, kafka: Kafka, topics: Topics, tmp_path: Path) -> GatewayProcess:
    more = {"GATEWAY_PROCESSES": "2", "LAME_DUCK_SECONDS": "2", "GATEWAY_HOSTS": "127.0.0.1,gateway"}
    return process(database_url, kafka, topics, tmp_path / "gateway.log", **more)


async def test_the_processes_of_a_killed_supervisor_drain_and_leave_the_port(
    gateway: GatewayProcess, database_url: str
) -> None:
    gateway.start()
    await gateway.ready()
    children = psutil.Process(gateway.pid).children()
    try:
        await eventually(lambda: _leases(database_url, 2), what="a lease for each process")
        gateway.kill()
        await eventually(lambda: _all_ended(children), what="the end of the processes")
        assert await _leases(database_url, 0)
        socket.create_server(("127.0.0.1", gateway.port)).close()
    finally:
        for child in children:
            if not _ended(child):
                child.kill()


async def test_a_stop_closes_the_port_while_what_was_read_is_answered(gateway: GatewayProcess) -> None:
    gateway.start()
    await gateway.ready()
    children = psutil.Process(gateway.pid).children()
    try:
        reader, writer = await asyncio.open_connection("127.0.0.1", gateway.port)
        writer.write(_HEAD % len(_BODY) + _BODY[:5])
        os.kill(gateway.pid, signal.SIGTERM)
        await eventually(lambda: _refuses(gateway.port), seconds=25, what="a closed port")
        assert gateway.alive
        writer.write(_BODY[5:])
        assert (await read_answer(reader))[0] == 201
        writer.close()
        assert await gateway.stop() == 0
    finally:
        gateway.kill()
        for child in children:
            if not _ended(child):
                child.kill()


async def _leases(database_url: str, count: int) -> bool:
    return len(await rows(database_url, "SELECT FROM gateway_leases")) == count


async def _all_ended(processes: list[psutil.Process]) -> bool:
    return all(_ended(process) for process in processes)


def _ended(process: psutil.Process) -> bool:
    return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE


async def _refuses(port: int) -> bool:
    with socket.socket() as one:
        return one.connect_ex(("127.0.0.1", port)) != 0


@pytest.mark.parametrize("processes", ["1", "2"])
def test_a_taken_port_is_named_before_the_database_is_asked_for_a_lease(processes: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken, socket.create_server(("127.0.0.1", 0)) as database:
        port = taken.getsockname()[1]
        settings = {
            "GATEWAY_PORT": str(port),
            "GATEWAY_PROCESSES": processes,
            "DATABASE_URL": f"postgresql+asyncpg://u:p@127.0.0.1:{database.getsockname()[1]}/x",
        }
        ended = subprocess.run(
            [sys.executable, "-m", "gateway"],
            env={**os.environ, **settings},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        database.setblocking(False)
        with pytest.raises(BlockingIOError):
            database.accept()
    assert ended.returncode == 1
    assert ended.stdout == ""
    assert ended.stderr == (
        f"headgate: port {port} (GATEWAY_PORT) is taken by another program: stop it or set another port\n"
    )
