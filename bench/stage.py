"""The stage: a PostgreSQL and a Kafka for the run, and processes that are started on it."""

import asyncio
import secrets
import shutil
import sys
import tempfile
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, TypeAlias

import asyncpg
from sqlalchemy.engine import make_url

from bench.baselines.outcome import Outcome, told
from bench.processes import Meter
from bench.settings import Settings
from cli.settings import Shape
from cli.topics.create import create
from contracts import Topics
from devstack.child import Child, spawn
from devstack.kafka.brokers import Brokers
from devstack.ports import HOST, free_port
from devstack.postgresql.postgres import Postgres
from migrations import migrate

_START_SECONDS = 60.0
_OUTCOME_SECONDS = 300.0

Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record]"


class Server:
    """One process under measurement, with what it costs."""

    def __init__(self, name: str, child: Child, port: int) -> None:
        self.name, self.child, self.port = name, child, port
        self.meter = Meter(child.pid)

    @property
    def address(self) -> str:
        return f"http://{HOST}:{self.port}"

    def stop(self) -> None:
        self.child.stop()


class Stage:
    """Durable, with the servers' own defaults: PostgreSQL with fsync, the brokers as `make run` starts them."""

    def __init__(self, settings: Settings, folder: Path, *, brokers: int = 1) -> None:
        self.settings, self.folder = settings, folder
        # A checkpoint in one round and none in the next would be most of the difference between two rounds.
        self.postgres = Postgres(folder / "postgres", options={"max_wal_size": "8GB", "checkpoint_timeout": "1h"})
        self.kafka = Brokers(folder / "kafka", brokers)
        self._servers: list[Server] = []

    def start(self) -> None:
        self.postgres.launch()
        self.kafka.launch()
        self.postgres.wait_ready()
        self.kafka.wait_ready()

    def stop(self) -> None:
        self.end(*self._servers)
        self.postgres.stop()
        for node in self.kafka.nodes:
            node.kill()

    def end(self, *servers: Server) -> None:
        """Stop these processes, each in good order."""
        for server in servers:
            server.stop()
        self._servers = [server for server in self._servers if server not in servers]

    @property
    def postgres_meter(self) -> Meter:
        return Meter(_running(self.postgres.child).pid)

    @property
    def kafka_meter(self) -> Meter:
        return Meter(*(_running(node.child).pid for node in self.kafka.nodes))

    async def database(self) -> str:
        """A migrated, empty database of its own; returns its name."""
        name = f"bench_{secrets.token_hex(4)}"
        async with self.connection("postgres", admin=True) as connection:
            await connection.execute(f"CREATE DATABASE {name} OWNER headgate")
        await migrate(self.postgres.url(name))
        return name

    async def topics(self, partitions: int = 4) -> Topics:
        """Topics of their own, as `headgate topics create` makes them."""
        names = Topics(f"b{secrets.token_hex(4)}.")
        brokers = len(self.kafka.nodes)
        shape = Shape(partitions=partitions, replication_factor=brokers, min_insync_replicas=min(brokers, 2))
        await create(self.kafka.kafka, names, shape)
        return names

    @asynccontextmanager
    async def connection(self, database: str, *, admin: bool = False) -> AsyncIterator[Connection]:
        url = self.postgres.admin_url(database) if admin else self.postgres.url(database)
        dsn = make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)
        connection = await asyncpg.connect(dsn)
        try:
            yield connection
        finally:
            await connection.close()

    def environment(self, database: str, topics: Topics, port: int) -> dict[str, str]:
        """The settings under which a service or a baseline finds its database, its topics and its port."""
        return {
            "DATABASE_URL": self.postgres.url(database),
            "KAFKA_BOOTSTRAP_SERVERS": self.kafka.bootstrap,
            "KAFKA_PREFIX": topics.prefix,
            "GATEWAY_PORT": str(port),
            "WORKER_WEB_PORT": str(port),
        }

    async def gateway(
        self, database: str, topics: Topics, name: str = "headgate", *, tree: Path | None = None, **settings: Any
    ) -> Server:
        """A gateway with its defaults, of this checkout or of the one in ``tree``.

        The rate limit does its work, but is too high to refuse anything.
        """
        port = free_port()
        environment = self.environment(database, topics, port) | {"RATE_LIMIT_PER_MINUTE": "100000000"}
        server = self._spawn(name, ["-m", "gateway"], environment | _text(settings), port, tree)
        await self.until_open(server)
        return server

    async def asgi(self, name: str, database: str, topics: Topics) -> Server:
        """A baseline under the same server, with the same event loop and parser, as the gateway."""
        port = free_port()
        module = ["-m", "uvicorn", f"bench.baselines.{name}:create_app", "--factory", "--port", str(port)]
        flags = ["--loop", "uvloop", "--http", "httptools", "--no-access-log", "--log-level", "warning"]
        server = self._spawn(name, [*module, *flags], self.environment(database, topics, port), port)
        await self.until_open(server)
        return server

    def program(
        self,
        name: str,
        arguments: list[str],
        database: str,
        topics: Topics,
        *,
        tree: Path | None = None,
        **settings: Any,
    ) -> Server:
        """Any other Python program of ours: a worker, or a baseline without a port."""
        port = free_port()
        environment = self.environment(database, topics, port) | _text(settings)
        return self._spawn(name, arguments, environment, port, tree)

    async def outcome(self, baseline: str, arguments: list[str], database: str, topics: Topics) -> Outcome:
        """Run a baseline that ends by itself, to its end."""
        server = self.program(baseline, ["-m", f"bench.baselines.{baseline}", *arguments], database, topics)

        async def ended() -> bool:
            return not server.child.running

        await poll(ended, what=f"{baseline} to end", seconds=_OUTCOME_SECONDS)
        result = told(server.child.output())
        if result is None:
            raise RuntimeError(f"{baseline} told nothing:\n{server.child.last_lines(20)}")
        self.end(server)
        return result

    def _spawn(
        self, name: str, arguments: list[str], environment: Mapping[str, str], port: int, tree: Path | None = None
    ) -> Server:
        log = self.folder / f"{name}-{secrets.token_hex(3)}.log"
        python, found_by = _python(tree)
        # In a folder without a .env: what is measured has the settings that stand here.
        child = spawn([python, *arguments], name=name, log=log, cwd=self.folder, env={**environment, **found_by})
        server = Server(name, child, port)
        self._servers.append(server)
        return server

    async def until_open(self, server: Server) -> None:
        """Wait until the server answers HTTP in any way but 503."""
        await poll(lambda: answers(server.port), what=f"{server.name} to answer", child=server.child)


async def answers(port: int, path: str = "/readyz") -> bool:
    """Whether something there answers, and does not say that it is not ready."""
    try:
        reader, writer = await asyncio.open_connection(HOST, port)
        writer.write(f"GET {path} HTTP/1.1\r\nHost: {HOST}\r\nConnection: close\r\n\r\n".encode())
        async with asyncio.timeout(5):
            status = await reader.readline()
        writer.close()
    except (OSError, TimeoutError):
        return False
    return bool(status) and b" 503 " not in status


async def poll(ready: Any, *, what: str, child: Child | None = None, seconds: float = _START_SECONDS) -> None:
    """Until the coroutine function ``ready`` says so; RuntimeError when it takes too long or the process ends."""
    deadline = asyncio.get_running_loop().time() + seconds
    while not await ready():
        if child is not None and not child.running:
            raise RuntimeError(f"{child.name} ended at its start:\n{child.last_lines(20)}")
        if asyncio.get_running_loop().time() > deadline:
            raise RuntimeError(f"waited {seconds:.0f} s for {what}")
        await asyncio.sleep(0.05)


@asynccontextmanager
async def raised(settings: Settings, *, brokers: int = 1) -> AsyncIterator[Stage]:
    """A stage of its own in a temporary folder, which goes with it."""
    folder = Path(tempfile.mkdtemp(prefix="headgate-bench-"))
    stage = Stage(settings, folder, brokers=brokers)
    try:
        await asyncio.to_thread(stage.start)
        yield stage
    finally:
        await asyncio.to_thread(stage.stop)
        shutil.rmtree(folder, ignore_errors=True)


def _python(tree: Path | None) -> tuple[str, dict[str, str]]:
    """The Python of this checkout, or of ``tree`` with its libraries, and what lets it find the modules there."""
    if tree is None:
        return sys.executable, {}
    own = tree.absolute() / ".venv/bin/python"
    if not own.exists():
        raise ValueError(f"{own} is missing: `make env` in that checkout makes it")
    return str(own), {"PYTHONPATH": str(tree.absolute())}


def _text(settings: Mapping[str, Any]) -> dict[str, str]:
    return {name.upper(): str(value) for name, value in settings.items()}


def _running(child: Child | None) -> Child:
    if child is None:
        raise RuntimeError("the stage has not been started")
    return child
