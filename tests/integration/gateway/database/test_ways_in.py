"""PostgreSQL as a managed service has it: encrypted, by certificate, by passwords that change."""

import ssl
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path

import asyncpg
import pytest
import trustme

from devstack.kafka.certificates import write
from devstack.ports import HOST
from devstack.postgresql.initdb import ROLE
from devstack.postgresql.postgres import Postgres
from migrations import MigrationError, migrate
from runtime.postgresql.password import PasswordCommand
from runtime.postgresql.server import CONNECTION_ERRORS, PostgreSQL
from runtime.secrets import Secret
from tests.support.encrypted import Front, encrypted


@pytest.fixture
def authority(tmp_path: Path) -> trustme.CA:
    made = trustme.CA()
    made.cert_pem.write_to_path(str(tmp_path / "authority.pem"))
    return made


@pytest.fixture
async def front(authority: trustme.CA, postgres: Postgres) -> AsyncIterator[Front]:
    """Whoever speaks TLS gets through; a certificate is looked at where one is shown."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(HOST).configure_cert(context)
    authority.configure_trust(context)
    context.verify_mode = ssl.CERT_OPTIONAL
    async with encrypted(context, postgres.port) as one:
        yield one


def url(front: Front, query: str, folder: Path) -> str:
    """With the names of files completed."""
    return f"postgres://{ROLE}:{ROLE}@{HOST}:{front.port}/{ROLE}?{query.replace('=./', f'={folder}/')}"


async def who(server: PostgreSQL | str) -> str:
    """As whom one gets in."""
    connection = await PostgreSQL.at(server).connect(timeout=20)
    try:
        return str(await connection.fetchval("SELECT current_user"))
    finally:
        connection.terminate()


@pytest.mark.parametrize(
    "query",
    ["", "sslmode=prefer", "sslmode=require", "ssl=true", "sslmode=verify-ca&sslrootcert=./authority.pem",
     "sslmode=verify-full&sslrootcert=./authority.pem", "sslmode=require&ssl_min_protocol_version=TLSv1.3"],
)  # fmt: skip
async def test_encrypted_in_every_mode(query: str, front: Front, tmp_path: Path) -> None:
    assert await who(url(front, query, tmp_path)) == ROLE
    assert front.names == [""]


async def test_unencrypted_only_where_that_is_said(front: Front, postgres: Postgres, tmp_path: Path) -> None:
    with pytest.raises(CONNECTION_ERRORS):
        await who(url(front, "sslmode=disable", tmp_path))
    with pytest.raises(ConnectionError, match="rejected SSL upgrade"):
        await who(f"{postgres.url()}?sslmode=require")
    assert await who(f"{postgres.url()}?sslmode=prefer") == ROLE


@pytest.mark.parametrize("mode", ["require", "verify-ca", "verify-full"])
async def test_a_server_of_another_authority_is_refused(mode: str, front: Front, tmp_path: Path) -> None:
    """Also with ``require``, once an authority is named: as libpq has it."""
    trustme.CA().cert_pem.write_to_path(str(tmp_path / "other.pem"))
    other = url(front, f"sslmode={mode}&sslrootcert=./other.pem", tmp_path)
    with pytest.raises(ssl.SSLError, match="CERTIFICATE_VERIFY_FAILED"):
        await who(other)
    with pytest.raises(MigrationError, match="CERTIFICATE_VERIFY_FAILED"):
        await migrate(other)


async def test_the_systems_authorities_do_not_know_it(front: Front, tmp_path: Path) -> None:
    with pytest.raises(ssl.SSLError, match="CERTIFICATE_VERIFY_FAILED"):
        await who(url(front, "sslrootcert=system", tmp_path))


async def test_a_server_of_another_name_is_refused_in_full_verification(
    authority: trustme.CA, postgres: Postgres, tmp_path: Path
) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("other.example").configure_cert(context)
    async with encrypted(context, postgres.port) as other:
        assert await who(url(other, "sslmode=verify-ca&sslrootcert=./authority.pem", tmp_path)) == ROLE
        with pytest.raises(ssl.SSLError, match="IP address mismatch"):
            await who(url(other, "sslmode=verify-full&sslrootcert=./authority.pem", tmp_path))


async def test_a_clients_certificate_is_shown_and_the_one_that_replaces_it(
    authority: trustme.CA, front: Front, tmp_path: Path
) -> None:
    mine = tmp_path / "mine.pem"
    shown = "sslmode=verify-full&sslrootcert=./authority.pem&sslcert=./mine.pem&sslkey=./mine.pem"
    write(mine, authority.issue_cert("x.local", common_name="first"))
    server = PostgreSQL.at(url(front, shown, tmp_path))
    opener = server.opener()
    (await opener(timeout=20)).terminate()
    write(mine, authority.issue_cert("x.local", common_name="second"))
    (await opener(timeout=20)).terminate()
    assert front.names == ["first", "second"]


async def test_without_a_certificate_nobody_gets_in_where_one_is_wanted(front: Front, tmp_path: Path) -> None:
    front.context.verify_mode = ssl.CERT_REQUIRED
    with pytest.raises(CONNECTION_ERRORS):
        await who(url(front, "sslmode=require", tmp_path))
    assert front.names == []


@pytest.mark.parametrize("by_command", [False, True], ids=["file", "command"])
async def test_a_password_that_changes_is_read_for_each_connection(
    by_command: bool, postgres: Postgres, database_url: str, tmp_path: Path
) -> None:
    """As tokens of a cloud's IAM do every quarter of an hour; connections that are open go on."""
    file, role = tmp_path / "password", f"changing_{'command' if by_command else 'file'}"
    file.write_text("first\n")
    postgres.query(f"CREATE ROLE {role} LOGIN PASSWORD 'first'")
    how = PasswordCommand(f"cat {file}") if by_command else Secret(None, file)
    server = PostgreSQL.at(f"postgres://{role}@{database_url.rpartition('@')[2]}")
    opener = replace(server, password=how).opener()
    async with AsyncExitStack() as opened:
        first = await opener(timeout=20)
        opened.callback(first.terminate)
        postgres.query(f"ALTER ROLE {role} PASSWORD 'second'")
        with pytest.raises(asyncpg.InvalidPasswordError):
            await opener(timeout=20)
        file.write_text("second\n")
        (await opener(timeout=20)).terminate()
        assert await first.fetchval("SELECT 1") == 1
        file.unlink()
        with pytest.raises(OSError, match="printed nothing or failed" if by_command else "password cannot be read"):
            await opener(timeout=20)
    postgres.query(f"DROP ROLE {role}")
