"""A Kafka that is got into by certificate, password or token: the whole way, with the documented rights alone."""

import asyncio
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import trustme

from cli.audit.audit import audit
from cli.doctor.kafka import examine
from cli.errors import CommandError
from cli.settings import Shape
from cli.topics.acls_command import commands
from cli.topics.create import create
from cli.topics.rights import CLUSTER, Right, rights
from devstack.kafka import access as ways
from devstack.kafka.access import USER, Access
from devstack.kafka.acls import allow, forbid
from devstack.kafka.certificates import authority_in, write
from devstack.ports import HOST
from stream_workers.kinds import METRICS
from tests.pipeline.workers import drift, until_booked
from tests.support.kerberos import java_command, kerberos, needs_kerberos
from tests.support.secured import TOPICS, Secured, secured
from tests.support.token_server import SECRET, TokenServer
from tests.support.write_path import eventually, outbox_is_empty, rows

pytestmark = pytest.mark.timeout(500)

# Sessions so short that each one ends several times in a test.
SHORT = {"connections.max.reauth.ms": "10000"}


@pytest.fixture
def token_server() -> Iterator[TokenServer]:
    with TokenServer(seconds=15).running() as server:
        yield server


@pytest.fixture
def bearer(token_server: TokenServer, tmp_path: Path) -> Callable[[Path], Access]:
    (tmp_path / "secret").write_text(SECRET)
    return lambda _: ways.bearer(token_server.url, tmp_path / "secret")


@pytest.fixture
def ticket(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[Path], Access]]:
    monkeypatch.setattr("devstack.kafka.java.command", java_command)
    with kerberos(tmp_path / "kerberos") as one:
        for name, value in one.environment.items():
            monkeypatch.setenv(name, value)
        yield lambda _: one.access


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """The audit compares what is youngest, too."""
    monkeypatch.setattr("cli.audit.audit.OPEN_FOR", timedelta(0))


async def is_exact(stack: Secured, count: int) -> None:
    """Counted, and compared: nothing missing, nothing twice."""
    totals = await until_booked(stack.kafka, TOPICS, count, stack.workers, seconds=240)
    assert drift(totals, count) == [], stack.logs()[-6_000:]

    async def compared() -> bool:
        found = await audit(stack.settings(), lambda *_: None)
        return found.drift == 0 and found.differences.rows == count

    await eventually(compared, seconds=120, what="the audit finds all of it, without drift")


@pytest.mark.parametrize(
    "way", ["scram", "client_certificates", "plain", "bearer", pytest.param("ticket", marks=needs_kerberos)]
)
async def test_the_whole_way(
    way: str,
    database_url: str,
    tmp_path: Path,
    request: pytest.FixtureRequest,
    caplog: pytest.LogCaptureFixture,
) -> None:
    make = request.getfixturevalue(way) if way in ("bearer", "ticket") else getattr(ways, way)
    async with secured(make(tmp_path / "access"), database_url=database_url, folder=tmp_path, config=SHORT) as stack:
        await stack.start()
        await stack.post(range(20))
        await is_exact(stack, 20)
        for secret in (tmp_path / "access" / "password", tmp_path / "secret"):
            assert not secret.exists() or secret.read_text() not in stack.logs()
        for change, reason in wrong(way, tmp_path):
            caplog.clear()
            with pytest.raises(CommandError, match="Kafka at"):
                await create(stack.settings(**change).kafka, TOPICS, Shape())
            assert reason in caplog.text


def wrong(way: str, folder: Path) -> Iterator[tuple[dict[str, str], str]]:
    """What does not get in, and the reason that is told."""
    one = folder / "wrong"
    if way == "client_certificates":
        write(one, trustme.CA().issue_cert("headgate", common_name=USER))
        yield {"KAFKA_SSL_CERTIFICATE": str(one)}, "Unable connect"
        return
    if way == "ticket":
        yield {"KAFKA_SASL_KERBEROS_SERVICE_NAME": "other"}, f"no ticket for other@{HOST}"
        return
    one.write_text("another")
    if way == "bearer":
        yield {"KAFKA_OAUTH_CLIENT_SECRET_FILE": str(one)}, "no token for Kafka: HTTP Error 401"
        return
    yield {"KAFKA_SASL_PASSWORD_FILE": str(one)}, "SaslAuthenticationFailed"
    if way == "scram":
        trustme.CA().cert_pem.write_to_path(str(one))
        yield {"KAFKA_SSL_CA": str(one)}, "CERTIFICATE_VERIFY_FAILED"


async def test_a_session_that_ends_is_renewed(database_url: str, tmp_path: Path) -> None:
    """Under load, through several sessions: no producer is condemned, and no worker leaves its group."""
    access = ways.scram(tmp_path / "access")
    async with secured(access, database_url=database_url, folder=tmp_path, config=SHORT) as stack:
        await stack.start()
        count, loop = 0, asyncio.get_running_loop()
        until = loop.time() + 45
        while loop.time() < until:
            await stack.post(range(count, count + 20))
            count += 20
            await asyncio.sleep(0.3)  # each connection is in use all the time, which is the load that matters here
        await is_exact(stack, count)
        assert "a send failed" not in stack.logs()
        for worker in stack.workers:
            assert worker.output().count("partitions assigned") == 1, worker.output()
            assert worker.ends == []


async def test_certificates_are_exchanged_while_all_runs(
    database_url: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """What connects after that shows the new one: one that has expired, one that is none, one that is good again."""
    access = ways.client_certificates(tmp_path / "access")
    async with secured(access, database_url=database_url, folder=tmp_path) as stack:
        kafka = stack.settings().kafka
        exchange(tmp_path / "access", days=-1)
        with pytest.raises(CommandError):
            await create(kafka, TOPICS, Shape())
        exchange(tmp_path / "access", days=1)
        assert not any((await create(kafka, TOPICS, Shape())).values())
        spoil(tmp_path / "access")
        assert not any((await create(kafka, TOPICS, Shape())).values())
        assert "cannot be used, the former ones go on" in caplog.text


def exchange(folder: Path, *, days: int) -> None:
    """The client's certificate for one of the same authority that ends in so many days."""
    ends = datetime.now(UTC) + timedelta(days=days)
    write(folder / "client.pem", authority_in(folder).issue_cert("headgate.local", common_name=USER, not_after=ends))


def spoil(folder: Path) -> None:
    (folder / "client.pem").write_text("no certificate")


async def test_a_right_taken_away_and_a_broker_rolled_cost_nothing(database_url: str, tmp_path: Path) -> None:
    """What may not be sent waits in PostgreSQL and is none of the refused; the workers come back to what they owe."""
    async with secured(ways.scram(tmp_path / "access"), database_url=database_url, folder=tmp_path) as stack:
        await stack.start()
        [node] = stack.brokers.nodes
        write = Right("gateway", "topic", TOPICS.applications, ("Write",))
        await forbid(node.inner, write)

        async def refused() -> bool:
            await stack.post([20])
            return "TopicAuthorizationFailed" in stack.logs()

        await eventually(refused, seconds=60, what="a send that is refused")
        assert not await outbox_is_empty(database_url)
        await allow(node.inner, [write])
        await eventually(lambda: outbox_is_empty(database_url), seconds=120, what="an empty outbox")
        [set_aside] = await rows(database_url, "SELECT count(*) AS number FROM unpublishable")
        assert set_aside["number"] == 0
        await asyncio.to_thread(node.stop)
        await stack.post(range(20))
        await asyncio.to_thread(node.start)
        await eventually(lambda: outbox_is_empty(database_url), seconds=120, what="an empty outbox")
        [stored] = await rows(database_url, "SELECT count(*) AS number FROM applications")
        await is_exact(stack, stored["number"])


async def test_the_doctor_names_the_right_that_is_missing(database_url: str, tmp_path: Path) -> None:
    async with secured(ways.scram(tmp_path / "access"), database_url=database_url, folder=tmp_path) as stack:
        settings, administrator = stack.settings(), stack.brokers.nodes[0].inner
        assert ("ok", "all that Headgate needs") in {(each.status, each.found) for each in await examine(settings)}
        for lost in LOST:
            await forbid(administrator, lost)

            async def told(lost: Right = lost) -> bool:
                wanted = f"{lost.operations[0]} on the {lost.resource} {lost.name} is not allowed"
                found = [each for each in await examine(settings) if each.found.startswith(wanted)]
                return [each.what for each in found][:1] == [f"rights of the {lost.part} on {lost.name}"]

            await eventually(told, seconds=60, what=f"the doctor misses {lost}")
            await allow(administrator, [lost])


LOST = [
    Right("gateway", "topic", TOPICS.applications, ("Write",)),
    Right("gateway", "cluster", CLUSTER, ("DescribeConfigs",)),
    Right(f"worker {METRICS}", "group", METRICS.group(TOPICS), ("Read",)),
    Right(f"worker {METRICS}", "topic", TOPICS.dead_letters, ("Write",)),
    Right("commands", "topic", TOPICS.applications, ("Create",)),
]


def test_the_commands_that_give_rights_name_all_of_them() -> None:
    printed = list(commands(rights(TOPICS), "a:1", "User:ann"))
    assert sum("--add --allow-principal User:ann" in line for line in printed) == len(rights(TOPICS))
    assert "--operation DescribeConfigs --cluster" in "\n".join(printed)
