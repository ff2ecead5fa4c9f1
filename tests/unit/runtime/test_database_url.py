"""DATABASE_URL: the forms that are taken, and what is said of the others."""

import pytest
from pydantic import SecretStr, TypeAdapter, ValidationError

from cli.config import masked
from runtime.database_url import DatabaseUrl, for_psql, hosts_of

URL = TypeAdapter(DatabaseUrl)


@pytest.mark.parametrize(
    ("url", "hosts"),
    [
        ("postgresql+asyncpg://ann:secret@first:5433/name", ["first:5433"]),
        ("postgresql+asyncpg://ann:secret@first/name?ssl=require", ["first:5432"]),
        ("postgresql+asyncpg://ann:secret@/name?host=first:5432&host=second:5433", ["first:5432", "second:5433"]),
        ("postgresql+asyncpg://ann:secret@/name?host=a:1&host=b:2&target_session_attrs=read-write", ["a:1", "b:2"]),
    ],
)
def test_forms_that_are_taken(url: str, hosts: list[str]) -> None:
    assert URL.validate_python(SecretStr(url)).get_secret_value() == url
    assert hosts_of(url) == hosts
    assert "secret" not in masked(url)


@pytest.mark.parametrize(
    ("url", "psql"),
    [
        ("postgresql+asyncpg://ann:secret@first:5433/name", "postgresql://ann:secret@first:5433/name"),
        (
            "postgresql+asyncpg://ann@/name?host=first:5432&host=second:5433",
            "postgresql://ann@first:5432,second:5433/name",
        ),
        ("postgresql+asyncpg:///name", "postgresql:///name"),
    ],
)
def test_the_form_for_psql(url: str, psql: str) -> None:
    assert for_psql(url) == psql


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("mysql://ann:secret@first/name", "must look like postgresql+asyncpg://user:password@host:5432/name"),
        ("postgresql+asyncpg://ann:secret@first:5432,second:5432/name", "/name?host=first:5432&host=second:5432"),
        ("postgresql+asyncpg://ann:secret@/name?host=first,second&port=5432,5433", "name?host=first:5432&host="),
        ("postgresql+asyncpg://ann:secret@first/name?host=second:5432&host=third:5432", "hosts in two places"),
        ("postgresql+asyncpg://ann:secret@/name?host=first&host=second:5432", "host=first must look like"),
        ("postgresql+asyncpg://ann:secret@/name?host=a:1&host=b:x", "host=b:x must look like"),
        ("postgresql+asyncpg://ann:secret@/name?host=a:1&host=b:2&target_session_attrs=standby", "only be read-write"),
    ],
)
def test_what_is_said_of_the_others(url: str, message: str) -> None:
    with pytest.raises(ValidationError) as caught:
        URL.validate_python(SecretStr(url))
    assert message in str(caught.value)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    "url",
    [
        "postgresql+asyncpg://ann:secret@/name?host=first:5432&host=second:5432",
        "postgresql+asyncpg://:secret@first/name",
        "postgresql+asyncpg://first/name?user=ann&password=secret",
        "postgresql+asyncpg://ann:secret@first/name?sslpassword=secret&ssl=require",
        "no url, but secret",
    ],
)
def test_passwords_are_masked_in_every_form(url: str) -> None:
    assert "secret" not in masked(url)
    assert "***" in masked(url)
