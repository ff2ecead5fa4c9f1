"""Known secrets, and all that a stack with them says: good starts, failing ones, commands, answers, process lists."""

import asyncio
import os
import secrets
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from urllib.parse import quote

import httpx
import psutil
import pytest

from devstack.kafka import access as ways
from devstack.ports import free_port
from devstack.postgresql.postgres import Postgres
from tests.support.forked import headgate
from tests.support.secured import Secured, secured
from tests.support.write_path import eventually

pytestmark = pytest.mark.timeout(420)

NAMES = ("database", "redis", "view", "wrong", "collector")
# Each with characters that must be encoded, so that both forms are looked for.
HIDDEN = {name: f"{secrets.token_hex(8)}@{name}/{secrets.token_hex(8)}" for name in NAMES}
COMMANDS = ("config", "doctor --json", "migrate", "audit", "keys list", "recovery list")


def found_in(text: str) -> list[str]:
    """Which of them can be read there, encoded or not: their first or last part is."""
    return [name for name, secret in HIDDEN.items() if secret[:16] in text or secret[-16:] in text]


def command_lines() -> str:
    """Of every process on this machine, as everybody can read them."""
    return "\n".join(" ".join(process.info["cmdline"] or ()) for process in psutil.process_iter(["cmdline"]))


@pytest.fixture
def login(postgres: Postgres, database_url: str) -> Iterator[str]:
    """The database's URL with a role whose password is hidden."""
    role = f"hidden_{secrets.token_hex(4)}"
    postgres.query(f"CREATE ROLE {role} LOGIN PASSWORD '{HIDDEN['database']}' IN ROLE headgate")
    address = database_url.rpartition("@")[2]
    yield f"postgresql://{role}:{quote(HIDDEN['database'], safe='')}@{address}"
    postgres.query(f"DROP OWNED BY {role}", f"DROP ROLE {role}")


def of_secrets(login: str) -> dict[str, str]:
    return {
        "DATABASE_URL": login,
        "RATE_LIMIT_PER_MINUTE": "1000",
        "RATE_LIMIT_STORAGE": f"redis://:{quote(HIDDEN['redis'], safe='')}@127.0.0.1:1/0",
        "WORKER_WEB_TOKEN": HIDDEN["view"],
        "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://ann:{quote(HIDDEN['collector'], safe='')}@127.0.0.1:1",
    }


async def test_no_secret_is_seen_anywhere(login: str, database_url: str, tmp_path: Path) -> None:
    access = ways.plain(tmp_path / "access")
    async with secured(access, database_url=database_url, folder=tmp_path / "servers") as servers:
        HIDDEN["kafka"] = (tmp_path / "access" / "password").read_text()
        environment = {
            **{name: value for name, value in servers.environment.items() if name != "KAFKA_SASL_PASSWORD_FILE"},
            **of_secrets(login),
            "KAFKA_SASL_PASSWORD": HIDDEN["kafka"],
        }
        (tmp_path / "logs").mkdir()
        stack = Secured(servers.brokers, environment, tmp_path / "logs", fresh=True)
        try:
            await stack.start()
            await stack.post(range(5))
            said = await answers(stack.gateway.port)
            said += "".join(await asyncio.gather(*(output(name, environment, tmp_path) for name in COMMANDS)))
            said += command_lines()
            assert await stack.gateway.stop() == 0
        finally:
            await asyncio.to_thread(stack.kill)
        assert found_in(said + stack.logs()) == []
        assert "redis" in stack.logs().lower()  # it is away, and that was said


async def answers(port: int) -> str:
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=30) as client:
        paths = ("/healthz", "/readyz", "/metrics", "/", "/applications?page=x")
        return "".join([(await client.get(path)).text for path in paths])


async def output(command: str, environment: Mapping[str, str], folder: Path) -> str:
    """All that a command says."""
    done = await asyncio.to_thread(headgate, *command.split(), env=environment, cwd=folder, seconds=200)
    said = done.stdout + done.stderr
    assert "Traceback" not in said, said
    return said


WRONG = quote(HIDDEN["wrong"], safe="")
PLACE = "127.0.0.1:1/name"
FAILING = {
    "wrong_password": {"DATABASE_URL": f"postgres://headgate:{WRONG}@{{server}}"},
    "unreachable": {"DATABASE_URL": f"postgres://ann:{WRONG}@{PLACE}"},
    "another_scheme": {"DATABASE_URL": f"mysql://ann:{WRONG}@{PLACE}"},
    "printed_by_the_command": {
        "DATABASE_URL": f"postgres://ann@{PLACE}",
        "DATABASE_PASSWORD_COMMAND": "sh -c 'cat {file}; cat {file} >&2; exit 1'",
    },
}
PROGRAMS = (("gateway",), ("cli", "migrate"))
# Those that look at all servers, once: they take their time where one is away.
MORE = {"unreachable": (("cli", "worker", "metrics"), ("cli", "doctor"))}


def failing(way: str, server: str, folder: Path) -> dict[str, str]:
    """The environment of a start that fails in this way."""
    folder.mkdir()
    (folder / "token").write_text(HIDDEN["wrong"])
    where = {"server": server, "file": folder / "token"}
    given = {name: value.format(**where) if "{" in value else value for name, value in FAILING[way].items()}
    addresses = {"GATEWAY_PORT": str(free_port()), "KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:1"}
    return {**os.environ, "DATABASE_URL": f"postgres://ann@{PLACE}", **addresses, **given}


async def said_at_start(way: str, server: str, folder: Path) -> str:
    """What programs say that start so, until they end or have begun to wait, as a gateway does."""
    environment = failing(way, server, folder)
    started = {}
    for program in (*PROGRAMS, *MORE.get(way, ())):
        log = folder / f"{'-'.join(program)}.log"
        started[log] = start(program, environment, log)
    try:

        async def all_have_spoken() -> bool:
            return all(process.poll() is not None or log.stat().st_size > 200 for log, process in started.items())

        await eventually(all_have_spoken, seconds=200, what=f"{way}: an end, or a word of each")
        lines = command_lines()
    finally:
        for process in started.values():
            process.terminate()
        for process in started.values():
            await asyncio.to_thread(process.wait, 60)
    return lines + "".join(log.read_text() for log in started)


def start(program: Sequence[str], environment: Mapping[str, str], log: Path) -> "subprocess.Popen[bytes]":
    with log.open("wb") as file:
        command = [sys.executable, "-m", *program]
        return subprocess.Popen(command, cwd=log.parent, env=environment, stdout=file, stderr=file)


async def test_nor_where_the_start_fails(database_url: str, tmp_path: Path) -> None:
    at_once = asyncio.Semaphore(3)
    server = database_url.rpartition("@")[2]

    async def one(way: str) -> tuple[str, str]:
        async with at_once:
            return way, await said_at_start(way, server, tmp_path / way)

    said = dict(await asyncio.gather(*map(one, FAILING)))
    assert {way: words for way, words in said.items() if found_in(words)} == {}
    assert "DATABASE_PASSWORD_COMMAND printed nothing or failed (exit code 1)" in said["printed_by_the_command"]
    assert "password authentication failed" in said["wrong_password"]
    assert "must look like postgresql://user:password@host:5432/name" in said["another_scheme"]
