"""Secrets: each may stand in a file instead, and none is shown, whatever is wrong with it."""

from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr, ValidationError

from cli.environment import MODELS, explain, is_secret
from gateway.settings import Settings as GatewaySettings
from runtime.postgresql.hosts import Host
from runtime.postgresql.password import PasswordCommand
from runtime.postgresql.server import PostgreSQL
from runtime.secrets import Secret, SecretUnreadableError, without_secrets
from stream_workers.settings import Settings as WorkerSettings

# What it holds is a file's name already, or PEM.
_ITSELF_A_FILE = {"kafka_ssl_key"}
HIDDEN = "hidden-as-can-be"


def gateway(**values: Any) -> GatewaySettings:
    return GatewaySettings(_env_file=None, **values)


def refused(model: type[Any], **values: Any) -> str:
    """What is said of settings that cannot be, by a command and by a traceback."""
    with pytest.raises(ValidationError) as caught:
        model(_env_file=None, **values)
    return f"{explain(model, caught.value)}\n{caught.value}"


def test_every_secret_may_stand_in_a_file() -> None:
    secrets = {name for model in MODELS for name in model.model_fields if is_secret(model, name)}
    files = {name for model in MODELS for name in model.model_fields if name.endswith("_file")}
    assert {f"{name}_file" for name in secrets - _ITSELF_A_FILE} <= files
    assert len(secrets) > 6


def test_the_files_are_read(tmp_path: Path) -> None:
    for name, content in {
        "url": "postgres://ann@first/name\n",
        "redis": "redis://:pass@first\n",
        "token": "t" * 20,
    }.items():
        (tmp_path / name).write_text(content)
    settings = gateway(database_url_file=tmp_path / "url", rate_limit_storage_file=tmp_path / "redis")
    assert str(settings.postgresql) == "first:5432"
    assert settings.limit_storage == "redis://:pass@first"
    assert WorkerSettings(_env_file=None, worker_web_token_file=tmp_path / "token").web_token == "t" * 20


@pytest.mark.parametrize(
    ("model", "content", "values", "message"),
    [
        (GatewaySettings, f"mysql://ann:{HIDDEN}@h/n", ("database_url_file",), "DATABASE_URL_FILE: must look like"),
        (GatewaySettings, HIDDEN, ("rate_limit_storage_file",), "RATE_LIMIT_STORAGE_FILE: must be memory:// or"),
        (WorkerSettings, "short", ("worker_web_token_file",), "WORKER_WEB_TOKEN_FILE: its content must have"),
        (WorkerSettings, "", ("worker_web_token_file",), "WORKER_WEB_TOKEN_FILE: its content must have"),
    ],
)
def test_what_is_wrong_in_a_file_is_said(
    model: type[Any], content: str, values: tuple[str], message: str, tmp_path: Path
) -> None:
    file = tmp_path / "secret"
    file.write_text(content)
    said = refused(model, **dict.fromkeys(values, file))
    assert message in said
    assert HIDDEN not in said
    assert f"{values[0].upper()}: {file}x cannot be read" in refused(model, **dict.fromkeys(values, f"{file}x"))


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (
            {"database_url": f"postgres://a:{HIDDEN}@h/n", "database_url_file": "/x"},
            "DATABASE_URL and DATABASE_URL_FILE",
        ),
        (
            {"database_url": f"postgres://a:{HIDDEN}@h/n", "database_password": HIDDEN},
            "DATABASE_URL has a password, and",
        ),
        (
            {"database_url": "postgres://a@h/n", "database_password": HIDDEN, "database_password_file": "/x"},
            "DATABASE_PASSWORD and DATABASE_PASSWORD_FILE are both set",
        ),
        (
            {"database_url": "postgres://a@h/n", "database_password": HIDDEN, "database_password_command": "pass"},
            "DATABASE_PASSWORD_COMMAND and DATABASE_PASSWORD or its file",
        ),
        ({"database_password_command": "quoted '"}, "DATABASE_PASSWORD_COMMAND: must be a program"),
        (
            {"database_url": "postgres://h/n?options=-c%20search_path=x", "database_schema": "y"},
            "sets search_path, and",
        ),
        ({"database_schema": 'x"y'}, "DATABASE_SCHEMA: has not the form"),
        ({"rate_limit_storage": f"http://:{HIDDEN}@first"}, "RATE_LIMIT_STORAGE: must be memory:// or"),
        ({"database_url": f"postgres://ann:x/{HIDDEN}@first/n"}, "DATABASE_URL: must look like postgresql://"),
        ({"database_url": f"postgres://ann:{HIDDEN}℀@first:x/n"}, "DATABASE_URL: port must be a number"),
        ({"kafka_sasl_password": HIDDEN}, "KAFKA_SASL_PASSWORD is set, but KAFKA_SECURITY_PROTOCOL is PLAINTEXT"),
        ({"kafka_ssl_certificate": f"-----BEGIN PRIVATE KEY-----{HIDDEN}"}, "KAFKA_SSL_CERTIFICATE is set, but"),
        ({"otel_exporter_otlp_endpoint": f"ftp://ann:{HIDDEN}@first"}, "OTEL_EXPORTER_OTLP_ENDPOINT: has not the form"),
    ],
)
def test_what_contradicts_is_refused_and_not_shown(values: dict[str, str], message: str) -> None:
    said = refused(GatewaySettings, **values)
    assert message in said
    assert HIDDEN not in said


def test_a_private_key_is_not_shown_where_a_certificate_is_meant() -> None:
    assert without_secrets("-----BEGIN CERTIFICATE-----…-----BEGIN PRIVATE KEY-----hidden") == "***"
    assert without_secrets("/run/certificate.pem") == "/run/certificate.pem"


async def test_a_command_is_asked_each_time_and_told_for_whom(tmp_path: Path) -> None:
    """What a cloud's own tool needs to sign a token."""
    program = tmp_path / "token"
    program.write_text('#!/bin/sh\necho called >> "$0.log"\necho "$PGUSER at $PGHOST:$PGPORT for $1"\n')
    program.chmod(0o700)
    command = PasswordCommand(f"{program} 'a shop'")
    for _ in range(2):
        assert await command.read(Host("first", 5433), "ann") == "ann at first:5433 for a shop"
    assert (tmp_path / "token.log").read_text() == "called\n" * 2


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("/none", "DATABASE_PASSWORD_COMMAND cannot be run: No such file"),
        (f"sh -c 'echo {HIDDEN}; echo {HIDDEN} >&2; exit 3'", r"printed nothing or failed \(exit code 3\)"),
        ("true", "printed nothing or failed"),
        ("sleep 30", "took too long"),
    ],
)
async def test_a_command_that_fails_is_an_outage(line: str, message: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if "sleep" in line:
        monkeypatch.setattr("runtime.postgresql.password.SECONDS", 0.2)
    with pytest.raises(SecretUnreadableError, match=message) as caught:
        await PasswordCommand(line).read(None, None)
    assert HIDDEN not in str(caught.value)


def test_nothing_is_shown_by_itself() -> None:
    server = PostgreSQL(PostgreSQL.at(f"postgres://ann:{HIDDEN}@first/name").address, Secret(SecretStr(HIDDEN)))
    assert HIDDEN not in f"{server} {server!r} {gateway(database_url=f'postgres://a:{HIDDEN}@h/n')!r}"
