"""One PostgreSQL and one Kafka broker for each test run; a database and topic names of its own for each test."""

import asyncio
import os
import secrets
import signal
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import asyncpg
import pytest
from hypothesis import HealthCheck
from hypothesis import settings as hypothesis_settings
from sqlalchemy.engine import make_url

from cli.settings import Shape
from cli.topics.admin import admin
from cli.topics.create import create
from contracts import Topics
from devstack.kafka.broker import Broker
from devstack.kafka.preparation import remember_classes
from devstack.postgresql.postgres import Postgres
from migrations import migrate
from runtime.kafka.clients import Kafka
from tests.support import forked
from tests.support.failover import Pair

pytest_plugins = ["tests.support.collector", "tests.support.leftovers", "tests.support.spread", "tests.support.trusted"]

# No property depends on how busy the machine is; all else is as it was, in CI the same examples each time.
hypothesis_settings.register_profile("patient", deadline=None, suppress_health_check=[HealthCheck.too_slow])
hypothesis_settings.load_profile("patient")

# Only the disk is lied to: a killed server finds everything in the page cache.
_FAST_NOT_DURABLE = {"fsync": "off", "synchronous_commit": "on", "full_page_writes": "off"}
# Nobody kills the run's broker, and few are connected to it: with this it does a third less while it waits.
_CALM = {"broker.heartbeat.interval.ms": "2000", "broker.session.timeout.ms": "9000", "num.network.threads": "1"}
_TEMPLATE = "template_headgate"


@pytest.fixture(scope="session")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Postgres]:
    """The run's server. A test that stops, pauses or kills one starts its own."""
    server = Postgres(tmp_path_factory.mktemp("postgres"), options=_FAST_NOT_DURABLE)
    try:
        server.start()
        yield server
    finally:
        server.stop()


@pytest.fixture(scope="session")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    """The run's broker. A test that stops, pauses or kills one starts its own."""
    remember_classes()
    forked.prepare()  # what works with Kafka in a process of its own is not far
    node = Broker(tmp_path_factory.mktemp("kafka"), config={"replica.lag.time.max.ms": "2000", **_CALM})
    try:
        node.start()
        yield node
    finally:
        node.kill()


@pytest.fixture(scope="session")
def template_database(postgres: Postgres) -> str:
    """A migrated database that is copied for each test; nobody may stay connected to it."""
    return _template_on(postgres)


@pytest.fixture
async def database_url(postgres: Postgres, template_database: str) -> AsyncIterator[str]:
    """A database of this test's own, migrated and empty: ``postgresql+asyncpg://…``."""
    name = f"test_{secrets.token_hex(6)}"
    await _execute(postgres, f"CREATE DATABASE {name} OWNER headgate TEMPLATE {template_database}")
    yield postgres.url(name)
    await _execute(postgres, f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
async def empty_database_url(postgres: Postgres) -> AsyncIterator[str]:
    """A database of this test's own, with nothing in it."""
    name = f"test_{secrets.token_hex(6)}"
    await _execute(postgres, f"CREATE DATABASE {name} OWNER headgate")
    yield postgres.url(name)
    await _execute(postgres, f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def kafka(broker: Broker) -> Kafka:
    """The run's broker, for clients."""
    return broker.kafka


@pytest.fixture
def prefix() -> str:
    """A KAFKA_PREFIX of this test's own."""
    return f"t{secrets.token_hex(4)}."


@pytest.fixture
async def topics(kafka: Kafka, prefix: str) -> AsyncIterator[Topics]:
    """This test's topics, created as `headgate topics create` does; removed afterwards."""
    names = Topics(prefix)
    await create(kafka, names, Shape())
    yield names
    async with admin(kafka) as client:
        await client.delete_topics([name for name in await client.list_topics() if name.startswith(prefix)])


@pytest.fixture(scope="module")
def fragile_postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Postgres]:
    """A server that tests may kill."""
    server = Postgres(tmp_path_factory.mktemp("fragile-postgres"), options={"full_page_writes": "off"})
    try:
        server.start()
        yield server
    finally:
        server.stop()


@pytest.fixture(scope="module")
def fragile_broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    """A broker that tests may kill."""
    forked.prepare()
    node = Broker(tmp_path_factory.mktemp("fragile-kafka"), config={"replica.lag.time.max.ms": "3000"})
    try:
        node.start()
        yield node
    finally:
        node.kill()


@pytest.fixture(scope="module")
def fragile_template_database(fragile_postgres: Postgres) -> str:
    """The same as the other template, on the fragile server."""
    return _template_on(fragile_postgres)


@pytest.fixture
async def fragile_database_url(fragile_postgres: Postgres, fragile_template_database: str, prefix: str) -> str:
    """A database of this test's own on the fragile server, migrated and empty."""
    name = "t" + prefix.strip(".")
    await _execute(fragile_postgres, f"CREATE DATABASE {name} OWNER headgate TEMPLATE {fragile_template_database}")
    return fragile_postgres.url(name)


@pytest.fixture
def pair(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Pair]:
    """A primary and its standby, migrated; synchronous unless the test asks for the other."""
    pair = Pair.start(tmp_path / "postgres", synchronous=getattr(request, "param", True))
    try:
        asyncio.run(migrate(pair.url))
        yield pair
    finally:
        pair.kill()


def pytest_configure() -> None:
    """What every program that tests start inherits.

    Whoever is started in the background of a shell ignores Ctrl-C. Where Python is told to write no bytecode, each
    program would compile more than a thousand modules anew, which is most of its start. A broker that lives for a
    minute or two never earns back what compiling with Java's optimiser costs.
    """
    os.environ["JDK_JAVA_OPTIONS"] = "-XX:TieredStopAtLevel=1"
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    sys.dont_write_bytecode = False
    if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.hookimpl(hookwrapper=True)
def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> Iterator[None]:
    """Where every package can be installed, a skipped test is a hole: say so in the summary."""
    yield
    if _must_not_skip() and terminalreporter.stats.get("skipped"):
        terminalreporter.write_line("CI=true: a skipped test is a failure", red=True)


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if _must_not_skip() and exitstatus == 0 and reporter and reporter.stats.get("skipped"):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def _must_not_skip() -> bool:
    return os.environ.get("CI") == "true"


def _template_on(server: Postgres) -> str:
    asyncio.run(_execute(server, f"CREATE DATABASE {_TEMPLATE} OWNER headgate"))
    asyncio.run(migrate(server.url(_TEMPLATE)))
    return _TEMPLATE


async def _execute(server: Postgres, statement: str) -> None:
    """One statement as superuser, outside any transaction."""
    url = make_url(server.admin_url()).set(drivername="postgresql")
    connection = await asyncpg.connect(url.render_as_string(hide_password=False))
    try:
        await connection.execute(statement)
    finally:
        await connection.close()
