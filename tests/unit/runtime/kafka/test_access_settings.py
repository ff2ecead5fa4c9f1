"""How one gets into Kafka, by settings: what cannot be meant is refused by name, and nothing secret is shown."""

from pathlib import Path
from typing import Any

import pytest
import trustme
from pydantic import ValidationError

from runtime.kafka.access.exposure import exposed
from runtime.kafka.access.settings import AccessSettings
from runtime.kafka.clients import Kafka
from runtime.settings import ServiceSettings

SECRET = "not-for-eyes"
PASSWORD = {"kafka_sasl_username": "ann", "kafka_sasl_password": SECRET}
SCRAM = {"kafka_security_protocol": "SASL_SSL", "kafka_sasl_mechanism": "SCRAM-SHA-512", **PASSWORD}
BEARER = {"kafka_security_protocol": "SASL_SSL", "kafka_sasl_mechanism": "OAUTHBEARER"}
TICKET = {"kafka_security_protocol": "SASL_SSL", "kafka_sasl_mechanism": "GSSAPI"}
URL = {"kafka_oauth_token_url": "https://id.example/token"}
CLIENT = {"kafka_oauth_client_id": "headgate", "kafka_oauth_client_secret": SECRET}

IMPOSSIBLE: list[tuple[dict[str, Any], str]] = [
    ({"kafka_security_protocol": "SASL_SSL"}, "set KAFKA_SASL_MECHANISM"),
    ({**SCRAM, "kafka_sasl_username": None}, "set KAFKA_SASL_USERNAME"),
    ({**SCRAM, "kafka_sasl_password": None}, "set KAFKA_SASL_PASSWORD or KAFKA_SASL_PASSWORD_FILE"),
    ({**SCRAM, "kafka_sasl_password_file": "/dev/null"}, "KAFKA_SASL_PASSWORD and KAFKA_SASL_PASSWORD_FILE are both"),
    (
        {**SCRAM, "kafka_sasl_password": None, "kafka_sasl_password_file": "/not/there"},
        "KAFKA_SASL_PASSWORD_FILE: /n",
    ),
    ({**SCRAM, **URL, **CLIENT}, "KAFKA_OAUTH_TOKEN_URL is set, but KAFKA_SASL_MECHANISM is SCRAM-SHA-512"),
    ({**SCRAM, "kafka_security_protocol": "SSL"}, "KAFKA_SASL_MECHANISM is set, but KAFKA_SECURITY_PROTOCOL is SSL"),
    ({**SCRAM, "kafka_security_protocol": "PLAINTEXT"}, "but KAFKA_SECURITY_PROTOCOL is PLAINTEXT"),
    ({"kafka_ssl_ca": "/ca.pem"}, "KAFKA_SSL_CA is set, but KAFKA_SECURITY_PROTOCOL is PLAINTEXT"),
    (BEARER, "set KAFKA_OAUTH_TOKEN_URL or KAFKA_OAUTH_TOKEN_FILE"),
    ({**BEARER, **URL}, "set KAFKA_OAUTH_CLIENT_ID"),
    (
        {**BEARER, **URL, "kafka_oauth_client_id": "headgate"},
        "set KAFKA_OAUTH_CLIENT_SECRET or KAFKA_OAUTH_CLIENT_SECRET_FILE",
    ),
    ({"kafka_oauth_scope": "topics"}, "KAFKA_OAUTH_SCOPE is set, but KAFKA_SECURITY_PROTOCOL is PLAINTEXT"),
    ({**BEARER, **CLIENT, "kafka_oauth_token_file": "/token"}, "but KAFKA_OAUTH_TOKEN_URL is not"),
    ({**BEARER, **URL, **CLIENT, "kafka_oauth_token_file": "/token"}, "keep the one that tokens come from"),
    ({**BEARER, **URL, **CLIENT, **PASSWORD}, "KAFKA_SASL_MECHANISM is OAUTHBEARER, which takes tokens"),
    ({**SCRAM, "kafka_sasl_kerberos_domain_name": "a"}, "KAFKA_SASL_MECHANISM is SCRAM-SHA-512: set that to GSSAPI"),
    ({**TICKET, **PASSWORD}, "KAFKA_SASL_MECHANISM is GSSAPI, which takes a ticket"),
    ({**TICKET, "kafka_security_protocol": "SSL"}, "KAFKA_SASL_MECHANISM is set, but KAFKA_SECURITY_PROTOCOL is SSL"),
    ({**BEARER, "kafka_aws_region": "eu-west-1"}, "install `headgate[msk]`"),
    ({"kafka_security_protocol": "SSL", "kafka_ssl_key": "/key.pem"}, "set KAFKA_SSL_CERTIFICATE"),
    ({"kafka_security_protocol": "SSL", "kafka_ssl_ca": "/not/there.pem"}, "KAFKA_SSL_CA: No such file"),
    ({"kafka_security_protocol": "SSL", "kafka_ssl_certificate": "/not/there.pem"}, "KAFKA_SSL_CERTIFICATE"),
    ({"kafka_security_protocol": "TLS"}, "'PLAINTEXT', 'SSL', 'SASL_PLAINTEXT' or 'SASL_SSL'"),
]


def settings(**values: Any) -> AccessSettings:
    return AccessSettings(_env_file=None, **values)


@pytest.mark.parametrize(("values", "said"), IMPOSSIBLE, ids=[said for _, said in IMPOSSIBLE])
def test_what_cannot_be_meant_is_refused_by_name(values: dict[str, Any], said: str) -> None:
    with pytest.raises(ValidationError) as refused:
        settings(**values)
    assert said in str(refused.value.errors()[0]["msg"])
    assert SECRET not in refused.value.errors()[0]["msg"]


@pytest.mark.parametrize("values", [{}, SCRAM, {**BEARER, **URL, **CLIENT}, {"kafka_security_protocol": "SSL"}])
def test_what_can_be_meant_is_taken(values: dict[str, Any]) -> None:
    found = settings(**values)
    assert SECRET not in repr(found)
    assert SECRET not in repr(found.kafka_security)


@pytest.mark.parametrize("there", [False, True])
def test_a_ticket_takes_the_extra_that_knows_kerberos(there: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: object() if there and name == "gssapi" else None)
    if not there:
        with pytest.raises(ValidationError, match=r"install `headgate\[kerberos\]`"):
            settings(**TICKET)
        return
    whom = {"sasl_kerberos_service_name": "kafka", "sasl_kerberos_domain_name": None}
    assert settings(**TICKET).kafka_security.options().items() >= whom.items()
    named = settings(**TICKET, kafka_sasl_kerberos_service_name="broker", kafka_sasl_kerberos_domain_name="a.example")
    assert set(named.kafka_security.options().values()) >= {"broker", "a.example", "GSSAPI"}


def test_pem_may_stand_in_the_setting_itself_in_one_line_too() -> None:
    authority = trustme.CA()
    mine = authority.issue_cert("headgate")
    text = {
        "kafka_ssl_ca": authority.cert_pem.bytes().decode(),
        "kafka_ssl_certificate": mine.cert_chain_pems[0].bytes().decode().replace("\n", "\\n"),
        "kafka_ssl_key": mine.private_key_pem.bytes().decode(),
    }
    security = settings(kafka_security_protocol="SSL", **text).kafka_security
    assert security.context.get_ca_certs() == [] and security.tls.context().get_ca_certs()  # noqa: PT018 -- the inner one


def test_a_key_of_another_certificate_is_refused() -> None:
    one, other = (trustme.CA().issue_cert("headgate") for _ in range(2))
    with pytest.raises(ValidationError, match="KAFKA_SSL_CERTIFICATE, KAFKA_SSL_KEY"):
        settings(
            kafka_security_protocol="SSL",
            kafka_ssl_certificate=one.cert_chain_pems[0].bytes().decode(),
            kafka_ssl_key=other.private_key_pem.bytes().decode(),
        )


def test_a_password_in_a_file_is_read_at_each_login(tmp_path: Path) -> None:
    file = tmp_path / "password"
    file.write_text(f"{SECRET}\n")
    found = settings(**{**SCRAM, "kafka_sasl_password": None, "kafka_sasl_password_file": file})
    login = found.kafka_security.login
    assert login.password() == SECRET
    file.write_text("another")
    assert login.password() == "another"


def test_one_process_has_one_context() -> None:
    values: dict[str, Any] = {"_env_file": None, "kafka_security_protocol": "SSL"}
    one, other = ServiceSettings(**values), ServiceSettings(**values)
    assert one.kafka.entry()["ssl_context"] is other.kafka.entry()["ssl_context"]
    changed = one.model_copy(update={"kafka_bootstrap_servers": "elsewhere:1"})
    assert changed.kafka.bootstrap_servers == "elsewhere:1"


@pytest.mark.parametrize(
    ("addresses", "is_exposed"),
    [
        ("127.0.0.1:9092,[::1]:9092", False),
        ("kafka:9092", False),
        ("kafka.headgate.svc.cluster.local:9092", False),
        ("10.1.2.3:9092", False),
        ("kafka:9092,broker.example.com:9092", True),
        ("[2606:4700::1111]:9092", True),
    ],
)
def test_what_goes_out_unencrypted_is_said(addresses: str, is_exposed: bool) -> None:
    assert bool(exposed(Kafka(addresses))) == is_exposed
    assert exposed(Kafka(addresses, settings(**SCRAM).kafka_security)) is None
