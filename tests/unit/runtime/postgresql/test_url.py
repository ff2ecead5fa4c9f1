"""DATABASE_URL: every form in which people have it, what the driver gets of it, and what is said of the others."""

import os
from pathlib import Path
from typing import Any

import pytest
from asyncpg.connect_utils import _parse_connect_dsn_and_args  # type: ignore[attr-defined]
from pydantic import SecretStr, TypeAdapter, ValidationError

from cli.config import masked
from runtime.postgresql.pooler import Connector
from runtime.postgresql.server import PostgreSQL
from runtime.postgresql.settings import DatabaseUrl
from runtime.postgresql.url import read

URL = TypeAdapter(DatabaseUrl)
ONE = "ann:secret@first:5433/name"
TWO = [("first", 5432), ("second", 5433)]


@pytest.fixture(autouse=True)
def nothing_around(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No variable or file of whoever runs the tests says anything."""
    for name in [name for name in os.environ if name.startswith("PG")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))


@pytest.fixture
def driver(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """What the driver was asked to connect with."""
    asked: list[dict[str, Any]] = []

    async def connect(_: Connector, **arguments: Any) -> None:
        asked.append(arguments)

    monkeypatch.setattr(Connector, "connect", connect)
    return asked


async def given(url: str, asked: list[dict[str, Any]], **options: Any) -> tuple[list[Any], Any, dict[str, Any]]:
    """Addresses and parameters as the driver understands them, and what else it was asked."""
    await PostgreSQL.at(url).connect(**options)
    arguments = {"host": None, "port": None, **asked.pop()}
    names = ("passfile", "service", "servicefile", "direct_tls", "target_session_attrs", "krbsrvname", "gsslib")
    known = ("dsn", "host", "port", "user", "password", "database", "ssl", "server_settings")
    addresses, parameters = _parse_connect_dsn_and_args(
        **{name: arguments.pop(name) for name in known}, **dict.fromkeys(names)
    )
    return addresses, parameters, arguments


@pytest.mark.parametrize("scheme", ["postgres", "postgresql", "postgresql+asyncpg", "postgresql+psycopg"])
async def test_every_scheme_is_the_same(scheme: str, driver: list[dict[str, Any]]) -> None:
    addresses, parameters, _ = await given(f"{scheme}://{ONE}\n", driver)
    assert addresses == [("first", 5433)]
    assert (parameters.user, parameters.password, parameters.database) == ("ann", "secret", "name")


@pytest.mark.parametrize(
    ("url", "hosts"),
    [
        ("ann:secret@first/name", [("first", 5432)]),
        ("ann:secret@[::1]:5433/name", [("::1", 5433)]),
        ("ann:secret@[fe80::1%25eth0]/name", [("fe80::1%eth0", 5432)]),
        ("ann:secret@/name?host=::1&port=5433", [("::1", 5433)]),
        ("ann:secret@first,second:5433/name", TWO),
        ("ann:secret@/name?host=first,second&port=5432,5433", TWO),
        ("ann:secret@/name?host=first&host=second&port=5433", [("first", 5433), ("second", 5433)]),
        ("ann:secret@/name?host=first:5432&host=second:5433", TWO),
        ("ann:secret@/name?host=first:5432,second:5433&target_session_attrs=read-write", TWO),
        ("ann:secret@[::1]:1,second:2/name", [("::1", 1), ("second", 2)]),
        ("ann:secret@%2Fvar%2Frun%2Fpostgresql/name", [("/var/run/postgresql", 5432)]),
        ("ann:secret@%2Fvar%2Frun%2Fpostgresql:5433/name", [("/var/run/postgresql", 5433)]),
        ("ann:secret@/name?host=/cloudsql/project:region:instance", [("/cloudsql/project:region:instance", 5432)]),
        ("/name?user=ann&password=secret&host=first&dbname=name", [("first", 5432)]),
    ],
)
def test_hosts_in_every_notation(url: str, hosts: list[tuple[str, int]]) -> None:
    text = f"postgresql://{url}"
    assert [(host.name, host.port) for host in read(text).hosts] == hosts
    assert (read(text).user, read(text).password, read(text).database) == ("ann", "secret", "name")
    assert read(read(text).as_text()) == read(text)
    assert URL.validate_python(SecretStr(text)).get_secret_value() == text
    assert "secret" not in masked(text)
    assert "secret" not in repr(read(text)) + str(PostgreSQL.at(text))


async def test_a_socket_is_one_for_the_driver(driver: list[dict[str, Any]]) -> None:
    addresses, _, _ = await given("postgres://ann@/name?host=/cloudsql/project:region:instance", driver)
    assert addresses == ["/cloudsql/project:region:instance/.s.PGSQL.5432"]


@pytest.mark.parametrize(
    ("written", "password"),
    [
        ("p%40ss%3Aw%2Frd%3F%23%25%26%3D%20%2B", "p@ss:w/rd?#%&= +"),
        ("a+b:c@d!$&'()*,;=", "a+b:c@d!$&'()*,;="),
        ("%D0%BF%D0%B0%D1%80%D0%BE%D0%BB%D1%8C", "пароль"),
        ("пароль℀", "пароль℀"),
    ],
)
async def test_passwords_with_any_character(written: str, password: str, driver: list[dict[str, Any]]) -> None:
    _, parameters, _ = await given(f"postgres://ann:{written}@first/name", driver)
    assert parameters.password == password
    assert read(read(f"postgres://ann:{written}@first/name").as_text()).password == password


@pytest.mark.parametrize(
    ("query", "name", "value"),
    [
        ("sslmode=disable", "ssl", False),
        ("sslmode=require", "sslmode", 3),
        ("ssl=require", "sslmode", 3),
        ("ssl=true", "sslmode", 3),
        ("sslmode=prefer&channel_binding=prefer&gssencmode=disable", "sslmode", 2),
        ("sslrootcert=system", "sslmode", 3),
        ("application_name=front%20door", "server_settings", {"application_name": "front door", "jit": "off"}),
        (
            "options=-c%20search_path%3Dx+y",
            "server_settings",
            {"options": "-c search_path=x+y", "application_name": "headgate", "jit": "off"},
        ),
    ],
)
async def test_parameters_reach_the_driver(query: str, name: str, value: object, driver: list[dict[str, Any]]) -> None:
    ours = {"application_name": "headgate", "jit": "off"}
    _, parameters, _ = await given(f"postgresql://{ONE}?{query}", driver, server_settings=ours)
    assert getattr(parameters, name) == value


async def test_the_systems_authorities_check_names_and_certificates(driver: list[dict[str, Any]]) -> None:
    _, parameters, _ = await given(f"postgresql://{ONE}?sslmode=verify-full&sslrootcert=system", driver)
    assert parameters.ssl.check_hostname
    assert parameters.ssl.verify_mode.name == "CERT_REQUIRED"


async def test_the_shorter_time_counts(driver: list[dict[str, Any]]) -> None:
    for query, seconds in (("", 5.0), ("?connect_timeout=2", 2), ("?connect_timeout=60", 5.0)):
        _, _, more = await given(f"postgresql://{ONE}{query}", driver, timeout=5.0)
        assert more["timeout"] == seconds


async def test_a_password_in_a_file_of_passwords(
    driver: list[dict[str, Any]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "passwords"
    file.write_text("first:5433:name:ann:from the file\n")
    file.chmod(0o600)
    _, parameters, _ = await given(f"postgres://ann@first:5433/name?passfile={file}", driver)
    assert parameters.password == "from the file"
    monkeypatch.setenv("PGPASSFILE", str(file))
    _, parameters, _ = await given("postgres://ann@first:5433/name", driver)
    assert parameters.password == "from the file"


def test_a_service_fills_in_what_the_url_leaves_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / ".pg_service.conf").write_text(
        "[shop]\nhost=first,second\nport=5432,5433\nuser=ben\npassword=a%b\ndbname=other\nsslmode=require\n"
    )
    address = read("postgresql://ann@/name?service=shop")
    assert [(host.name, host.port) for host in address.hosts] == TWO
    assert (address.user, address.password, address.database) == ("ann", "a%b", "name")
    assert address.parameters == {"sslmode": "require"}
    monkeypatch.setenv("PGSERVICE", "shop")
    assert read("postgresql://").user == "ben"
    with pytest.raises(ValueError, match="service is in none of"):
        read("postgresql://ann@/name?service=none")


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("mysql://ann:secret@first/name", "must look like postgresql://user:password@host:5432/name"),
        ("first:5432/name?secret", "must look like"),
        ("host=first user=ann password=secret", "must look like"),
        ("postgres://ann:secret#x@first/name", "written %2F %3F %23"),
        ("postgres://ann:secret/x@first/name", "written %2F %3F %23"),
        ("postgres://ann:secret?x=y@first/name", "written %2F %3F %23"),
        ("postgres://ann:secret%x@first/name", "written %2F %3F %23"),
        ("postgres://ann:sec ret@first/name", "written %2F %3F %23"),
        ("postgres://ann:secret%00@first/name", "written %2F %3F %23"),
        ("postgres://ann:%FFsecret@first/name", "no UTF-8"),
        ("postgres://ann:secret", "port must be"),
        ("postgres://ann:secret@first:x/name", "port must be"),
        ("postgres://ann:secret@first:70000/name", "port must be"),
        ("postgres://ann:secret@first,second/name?port=1,2,3", "port names 3 ports for 2 hosts"),
        ("postgres://ann:secret@first:1/name?port=2", "ports in two places"),
        ("postgres://ann:secret@/name?port=2", "port is set, but no host"),
        ("postgres://ann:secret@first/name?host=second", "hosts in two places"),
        ("postgres://ann:secret@first/name?user=ben", "says user twice"),
        ("postgres://ann:secret@first/name?password=other", "says password twice"),
        ("postgres://ann:secret@first/name?sslmode=require&sslmode=disable", "says sslmode twice"),
        ("postgres://ann:secret@first/name?sslmode", "parameter without a value"),
        ("postgres://ann:secret@first/name?sslmode=secret", "sslmode cannot have this value: one of disable, allow"),
        ("postgres://ann:secret@first/name?sslmode=verify-full&sslrootcert=/none", "sslrootcert names a file that"),
        ("postgres://ann:secret@first/name?sslcert=/none", "sslcert names a file that cannot be read: No such file"),
        ("postgres://ann:secret@first/name?sslmode=require&sslrootcert=system", "goes with sslmode=verify-full"),
        ("postgres://ann:secret@first/name?channel_binding=require", "channel_binding cannot have this value: the"),
        ("postgres://ann:secret@first/name?gssencmode=require", "gssencmode cannot have this value"),
        ("postgres://ann:secret@first/name?connect_timeout=soon", "connect_timeout must be whole seconds"),
        ("postgres://ann:secret@first/name?keepalives=1", "keepalives is no parameter that can be honoured"),
        ("postgres://ann:secret@first/name?pgbouncer=true", "pgbouncer is no parameter that can be honoured"),
        ("postgres://ann:secret@first/name?options=-c%20statement_timeout%3D0", "options sets statement_timeout"),
        ("postgres://ann:secret@first/name?options=--jit%3Don", "options sets jit"),
        ("postgres://ann:secret@a,b/name?target_session_attrs=standby", "can only be read-write"),
        ("postgres://ann:secret@a/name?target_session_attrs=secret", "target_session_attrs cannot have this value"),
    ],
)
def test_what_is_said_of_the_others(url: str, message: str) -> None:
    with pytest.raises(ValidationError) as caught:
        URL.validate_python(SecretStr(url))
    assert message in str(caught.value)
    assert "secret" not in str(caught.value)


def test_a_file_of_passwords_that_others_may_read_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "passwords"
    file.write_text("*:*:*:*:secret\n")
    file.chmod(0o644)
    with pytest.raises(ValueError, match="passfile names a file that others may read: chmod 600"):
        read(f"postgres://ann@first/name?passfile={file}")


@pytest.mark.parametrize(
    "url",
    [
        "postgresql+asyncpg://ann:secret@/name?host=first:5432&host=second:5432",
        "postgresql+asyncpg://:secret@first/name",
        "postgres://ann:se@secret@first/name",
        "postgresql+asyncpg://first/name?user=ann&password=secret",
        "postgresql+asyncpg://ann:secret@first/name?sslpassword=secret&ssl=require",
        "no url, but secret",
    ],
)
def test_passwords_are_masked_in_every_form(url: str) -> None:
    assert "secret" not in masked(url)
    assert "***" in masked(url)
