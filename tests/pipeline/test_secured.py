"""A Kafka that is got into by certificate, password or token: the whole way, with the documented rights alone."""

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import trustme

from cli.topics.rights import CLUSTER, Right, rights
from contracts import Topics
from devstack.kafka import access as ways
from devstack.kafka.access import USER, Access
from devstack.kafka.certificates import write
from stream_workers.kinds import METRICS
from tests.pipeline.workers import drift, until_booked
from tests.support.secured import Secured, allow, forbid, secured
from tests.support.token_server import SECRET, TokenServer
from tests.support.write_path import eventually

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


async def started(stack: Secured) -> None:
    stack.gateway.start()
    for worker in stack.workers:
        worker.start()
    await stack.gateway.ready()


async def counted(stack: Secured, count: int) -> None:
    totals = await until_booked(stack.kafka, stack.topics, count, stack.workers, seconds=240)
    assert drift(totals, count) == [], stack.logs()[-6_000:]


async def is_exact(stack: Secured) -> None:
    """The whole of it compared: nothing missing, nothing twice."""

    async def none() -> bool:
        found = await stack.audited()
        return bool(found["drift"] == 0)

    await eventually(none, seconds=120, what="the audit finds no drift")


@pytest.mark.parametrize("way", ["scram", "client_certificates", "plain", "bearer"])
async def test_the_whole_way(
    way: str, database_url: str, topics: Topics, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    make = request.getfixturevalue("bearer") if way == "bearer" else getattr(ways, way)
    access = make(tmp_path / "access")
    async with secured(access, database_url=database_url, topics=topics, folder=tmp_path, config=SHORT) as stack:
        await started(stack)
        await stack.post(20)
        await counted(stack, 20)
        await is_exact(stack)
        said = stack.logs() + (await stack.headgate("config")).stdout
        for secret in (tmp_path / "access" / "password", tmp_path / "secret"):
            assert not secret.exists() or secret.read_text() not in said
        await refused(stack, way, tmp_path)


async def refused(stack: Secured, way: str, folder: Path) -> None:
    """Whoever has a wrong password, certificate, authority or secret is told so, and does not get in."""
    wrong = folder / "wrong.pem"
    if way == "client_certificates":
        write(wrong, trustme.CA().issue_cert("headgate", common_name=USER))
        changes = [{"KAFKA_SSL_CERTIFICATE": str(wrong)}]
    elif way == "bearer":
        wrong.write_text("another")
        changes = [{"KAFKA_OAUTH_CLIENT_SECRET_FILE": str(wrong)}]
    else:
        wrong.write_text("another")
        changes = [{"KAFKA_SASL_PASSWORD_FILE": str(wrong)}]
    if way == "scram":
        foreign = folder / "authority.pem"
        trustme.CA().cert_pem.write_to_path(str(foreign))
        changes.append({"KAFKA_SSL_CA": str(foreign)})
    for change in changes:
        done = await stack.headgate("topics", "create", **change)
        assert done.returncode not in (0, 1), done.stdout
        assert "Traceback" not in done.stderr
        assert f"Kafka at {stack.kafka}" in done.stderr


async def test_a_session_that_ends_is_renewed(database_url: str, topics: Topics, tmp_path: Path) -> None:
    """Under load, through several sessions: no producer is condemned, and no worker leaves its group."""
    access = ways.scram(tmp_path / "access")
    async with secured(access, database_url=database_url, topics=topics, folder=tmp_path, config=SHORT) as stack:
        await started(stack)
        count = 0
        until = asyncio.get_running_loop().time() + 45
        while asyncio.get_running_loop().time() < until:
            await stack.post(20, start=count)
            count += 20
        await counted(stack, count)
        await is_exact(stack)
        said = stack.logs()
        assert "a send failed" not in said
        for worker in stack.workers:
            assert worker.output().count("partitions assigned") == 1, worker.output()
            assert worker.ends == []


async def test_a_certificate_is_exchanged_while_all_runs(database_url: str, topics: Topics, tmp_path: Path) -> None:
    """What connects after that shows the new one; what was connected goes on."""
    access = ways.client_certificates(tmp_path / "access")
    config = {"connections.max.idle.ms": "1000"}
    async with secured(access, database_url=database_url, topics=topics, folder=tmp_path, config=config) as stack:
        await started(stack)
        await stack.post(5)
        await counted(stack, 5)
        used = Path(access.settings["KAFKA_SSL_CERTIFICATE"])
        write(used, trustme.CA().issue_cert("headgate", common_name=USER))  # of nobody whom the broker trusts
        stack.brokers.nodes[0].stop()
        await asyncio.to_thread(stack.brokers.start)

        async def told() -> bool:
            return "Certificates for Kafka changed" in stack.logs()

        await eventually(told, seconds=60, what="the new certificate is taken")
        await stack.post(5, start=5)
        assert (await stack.audited())["held"] == 5


async def test_the_doctor_names_the_right_that_is_missing(database_url: str, topics: Topics, tmp_path: Path) -> None:
    access = ways.scram(tmp_path / "access")
    async with secured(access, database_url=database_url, topics=topics, folder=tmp_path) as stack:
        found = await stack.headgate("doctor")
        assert "all that Headgate needs" in found.stdout
        printed = (await stack.headgate("topics", "acls")).stdout
        for right in rights(topics):
            assert f"--operation {' --operation '.join(right.operations)}" in printed
        for lost in tried(topics):
            await forbid(stack.brokers.nodes[0].inner, lost)
            found = await stack.headgate("doctor")
            assert f"{lost.operations[0]} on the {lost.resource} {lost.name}" in " ".join(found.stdout.split()), lost
            assert "headgate topics acls" in found.stdout
            await allow(stack.brokers.nodes[0].inner, [lost])


def tried(topics: Topics) -> list[Right]:
    """One of each kind."""
    return [
        Right("gateway", "topic", topics.applications, ("Write",)),
        Right("gateway", "cluster", CLUSTER, ("DescribeConfigs",)),
        Right("worker metrics", "group", METRICS.group(topics), ("Read",)),
        Right("worker metrics", "topic", topics.dead_letters, ("Write",)),
        Right("commands", "topic", topics.applications, ("Create",)),
    ]
