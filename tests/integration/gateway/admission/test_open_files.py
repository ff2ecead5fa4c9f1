"""Open files are bounded before they run out: whatever comes, PostgreSQL, Kafka and probes have theirs."""

import asyncio
import resource
import socket
from pathlib import Path

import psutil
import pytest

from cli.doctor.machine import _open_files
from contracts import Topics
from gateway.open_files import LEAST, RESERVED
from runtime.kafka.clients import Kafka
from tests.support.gateways import GatewayProcess
from tests.support.http_gateway import read_answer
from tests.support.write_path import eventually, outbox_is_empty, rows

_BODY = b'{"user_name": "Ann", "description": "text"}'
_HEAD = b"POST /applications HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
_POST = _HEAD + b"Content-Length: %d\r\n\r\n" % len(_BODY) + _BODY
_HARD = 400


def gateway(database_url: str, kafka: Kafka, topics: Topics, log: Path, hard: int) -> GatewayProcess:
    environment = {
        "DATABASE_URL": database_url,
        "KAFKA_BOOTSTRAP_SERVERS": kafka.bootstrap_servers,
        "KAFKA_PREFIX": topics.prefix,
        "RATE_LIMIT_PER_MINUTE": "0",
        "HEAD_SECONDS": "120",
        "FILES_SOFT": str(min(hard, 260)),
        "FILES_HARD": str(hard),
    }
    return GatewayProcess(environment, log, module="tests.support.few_files_gateway", fresh=True)


async def test_a_crowd_takes_no_file_that_others_need(
    database_url: str, kafka: Kafka, topics: Topics, tmp_path: Path
) -> None:
    log = tmp_path / "gateway.log"
    process = gateway(database_url, kafka, topics, log, _HARD)
    process.start()
    crowd: list[socket.socket] = []
    try:
        await process.ready()
        assert psutil.Process(process.pid).rlimit(psutil.RLIMIT_NOFILE) == (_HARD, _HARD)
        assert f"up to {_HARD - RESERVED} connections" in log.read_text()
        reader, writer = await asyncio.open_connection("127.0.0.1", process.port)
        writer.write(b"GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert (await _answer(reader))[0] == 200
        crowd += [socket.create_connection(("127.0.0.1", process.port)) for _ in range(_HARD + 100)]
        await eventually(lambda: _open(process, _HARD - RESERVED), what="as many connections as fit")
        for path in (b"livez", b"readyz", b"healthz"):
            assert await _probe(process.port, path) == 200
        writer.write(_POST)
        assert (await _answer(reader))[0] == 201
        writer.close()
        assert psutil.Process(process.pid).num_fds() < _HARD
        await eventually(lambda: outbox_is_empty(database_url), what="what was accepted to be published")
        assert await process.stop() == 0
        assert len(await rows(database_url, "SELECT FROM applications")) == 1
    finally:
        process.kill()
        for one in crowd:
            one.close()


async def test_without_room_for_connections_it_does_not_start(
    database_url: str, kafka: Kafka, topics: Topics, tmp_path: Path
) -> None:
    log = tmp_path / "gateway.log"
    process = gateway(database_url, kafka, topics, log, LEAST - 1)
    process.start()
    await eventually(lambda: _ended(process), what="the end of the process")
    assert f"Only {LEAST - 1} files may be open, and at least {LEAST} are needed" in log.read_text()
    assert "ulimit -Hn" in log.read_text()


@pytest.mark.parametrize(
    ("hard", "status"),
    [
        (4_000 + RESERVED, "ok"),
        (4_000 + RESERVED - 1, "warning"),
        (LEAST - 1, "failed"),
        (resource.RLIM_INFINITY, "ok"),
    ],
)
def test_the_doctor_says_it(monkeypatch: pytest.MonkeyPatch, hard: int, status: str) -> None:
    monkeypatch.setattr(resource, "getrlimit", lambda _: (hard, hard))
    finding = _open_files(4_000)
    assert finding.status == status
    assert "4128" in finding.found
    assert ("CONNECTIONS_MAX" in finding.remedy) == (status != "ok")


async def _answer(reader: asyncio.StreamReader) -> tuple[int, dict[str, str], bytes]:
    async with asyncio.timeout(60):
        return await read_answer(reader)


async def _probe(port: int, path: bytes) -> int:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"GET /%b HTTP/1.1\r\nHost: localhost\r\n\r\n" % path)
    status, _, _ = await _answer(reader)
    writer.close()
    return status


async def _open(process: GatewayProcess, least: int) -> bool:
    found = psutil.Process(process.pid).net_connections()
    return sum(one.laddr.port == process.port and one.status == psutil.CONN_ESTABLISHED for one in found) >= least


async def _ended(process: GatewayProcess) -> bool:
    return not process.alive
