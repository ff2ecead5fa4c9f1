"""PostgreSQL as a managed service has it: encrypted, by certificate, by passwords that change."""

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from ssl import SSLError

import asyncpg
import pytest
import trustme

from devstack.kafka.certificates import authority_in, certificates_in, write
from devstack.ports import HOST
from devstack.postgresql.initdb import ROLE, give_away
from devstack.postgresql.postgres import Postgres
from runtime.postgresql.password import PasswordCommand
from runtime.postgresql.server import PostgreSQL
from runtime.secrets import Secret

# Unencrypted nobody gets in; who has no password needs a certificate.
_RULES = """
host all postgres all scram-sha-256
hostssl all certified all cert
hostssl all all all scram-sha-256
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("encrypted")


@pytest.fixture(scope="module")
def encrypted(folder: Path) -> Iterator[Postgres]:
    """A server that is reached by TLS alone."""
    certificates = certificates_in(folder, client="certified")
    (folder / "rules").write_text(_RULES)
    for file in (certificates.authority, certificates.broker, folder / "rules"):
        give_away(file)
    tls = {
        "ssl_cert_file": certificates.broker,
        "ssl_key_file": certificates.broker,
        "ssl_ca_file": certificates.authority,
    }
    options = {"ssl": "on", **{name: str(path) for name, path in tls.items()}, "hba_file": str(folder / "rules")}
    server = Postgres(folder / "postgres", options=options | {"fsync": "off"})
    try:
        server.start()
        server.query("CREATE ROLE certified LOGIN")
        yield server
    finally:
        server.stop()


@pytest.fixture(scope="module")
def url(encrypted: Postgres) -> Callable[..., str]:
    """The server's URL with parameters, which name files of the folder."""

    def make(query: str, login: str = f"{ROLE}:{ROLE}", host: str = HOST) -> str:
        return f"postgresql://{login}@{host}:{encrypted.port}/{ROLE}?{query}"

    return make


async def who(server: PostgreSQL | str) -> tuple[str, bool]:
    """As whom one gets in, and whether that is encrypted."""
    connection = await PostgreSQL.at(server).connect(timeout=20)
    try:
        row = await connection.fetchrow("SELECT current_user, ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()")
        return row[0], row[1]
    finally:
        await connection.close()


@pytest.mark.parametrize(
    "query",
    ["", "sslmode=prefer", "sslmode=require", "ssl=true", "sslmode=verify-ca&sslrootcert=authority.pem",
     "sslmode=verify-full&sslrootcert=authority.pem", "sslmode=require&sslnegotiation=direct"],
)  # fmt: skip
async def test_encrypted_in_every_mode(query: str, url: Callable[..., str], folder: Path) -> None:
    assert await who(url(query.replace("authority", f"{folder}/authority"))) == (ROLE, True)


async def test_unencrypted_nobody_gets_in(url: Callable[..., str]) -> None:
    with pytest.raises(asyncpg.InvalidAuthorizationSpecificationError, match="no encryption"):
        await who(url("sslmode=disable"))


@pytest.mark.parametrize("mode", ["require", "verify-ca", "verify-full"])
async def test_a_server_of_another_authority_is_refused(mode: str, url: Callable[..., str], tmp_path: Path) -> None:
    """Also with ``require``, once an authority is named: as libpq has it."""
    trustme.CA().cert_pem.write_to_path(str(tmp_path / "other.pem"))
    with pytest.raises(SSLError, match="CERTIFICATE_VERIFY_FAILED"):
        await who(url(f"sslmode={mode}&sslrootcert={tmp_path}/other.pem"))


async def test_the_systems_authorities_do_not_know_it(url: Callable[..., str]) -> None:
    with pytest.raises(SSLError, match="CERTIFICATE_VERIFY_FAILED"):
        await who(url("sslrootcert=system"))


async def test_a_server_of_another_name_is_refused_in_full_verification(encrypted: Postgres, folder: Path) -> None:
    write(folder / "other.pem", authority_in(folder).issue_cert("other.example", common_name="other"))
    give_away(folder / "other.pem")
    trusted = f"sslrootcert={folder}/authority.pem"
    other = {"ssl_cert_file": str(folder / "other.pem"), "ssl_key_file": str(folder / "other.pem")}
    server = Postgres(folder / "other-postgres", options=encrypted.options | other)
    try:
        await asyncio.to_thread(server.start)
        assert await who(f"postgresql://{ROLE}:{ROLE}@{HOST}:{server.port}/{ROLE}?sslmode=verify-ca&{trusted}")
        with pytest.raises(SSLError, match="IP address mismatch"):
            await who(f"postgresql://{ROLE}:{ROLE}@{HOST}:{server.port}/{ROLE}?sslmode=verify-full&{trusted}")
    finally:
        await asyncio.to_thread(server.stop)


async def test_a_client_with_a_certificate_needs_no_password(url: Callable[..., str], folder: Path) -> None:
    trusted = f"sslmode=verify-full&sslrootcert={folder}/authority.pem"
    mine = f"{trusted}&sslcert={folder}/client.pem&sslkey={folder}/client.pem"
    assert await who(url(mine, login="certified")) == ("certified", True)
    with pytest.raises(asyncpg.InvalidAuthorizationSpecificationError):
        await who(url(trusted, login="certified"))


async def test_a_certificate_that_changes_on_disk_is_taken_by_the_next_connection(
    url: Callable[..., str], folder: Path, tmp_path: Path
) -> None:
    mine = tmp_path / "mine.pem"
    write(mine, authority_in(folder).issue_cert("x.local", common_name="somebody_else"))
    server = PostgreSQL.at(url(f"sslmode=require&sslcert={mine}&sslkey={mine}", login="certified"))
    with pytest.raises(asyncpg.InvalidAuthorizationSpecificationError):
        await who(server)
    write(mine, authority_in(folder).issue_cert("x.local", common_name="certified"))
    assert (await who(server))[0] == "certified"


@pytest.mark.parametrize("by_command", [False, True], ids=["file", "command"])
async def test_a_password_that_changes_is_read_for_each_connection(
    by_command: bool, encrypted: Postgres, url: Callable[..., str], tmp_path: Path
) -> None:
    """As tokens of a cloud's IAM do every quarter of an hour; connections that are open go on."""
    file = tmp_path / "password"
    file.write_text("first\n")
    encrypted.query("DROP ROLE IF EXISTS changing", "CREATE ROLE changing LOGIN PASSWORD 'first' IN ROLE headgate")
    how = PasswordCommand(f"cat {file}") if by_command else Secret(None, file)
    server = replace(PostgreSQL.at(url("sslmode=require", login="changing")), password=how)
    opener = server.opener()
    opened = await opener(timeout=20)
    try:
        encrypted.query("ALTER ROLE changing PASSWORD 'second'")
        with pytest.raises(asyncpg.InvalidPasswordError):
            await opener(timeout=20)
        file.write_text("second\n")
        await (await opener(timeout=20)).close()
        assert await opened.fetchval("SELECT 1") == 1
    finally:
        await opened.close()
    file.unlink()
    with pytest.raises(OSError, match="password cannot be read" if not by_command else "printed nothing"):
        await opener(timeout=20)
