"""How clients get into an embedded broker: by default it is open, else as a managed Kafka would have it."""

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from devstack.kafka.certificates import Certificates, certificates_in

USER = "headgate"
_MODULES = "org.apache.kafka.common.security"


@dataclass(frozen=True)
class Access:
    """``properties`` are the broker's, ``format`` its storage's arguments, ``settings`` those of Headgate."""

    protocol: str = "PLAINTEXT"
    properties: Mapping[str, str] = field(default_factory=dict)
    format: Sequence[str] = ()
    settings: Mapping[str, str] = field(default_factory=dict)


OPEN = Access()


def scram(folder: Path) -> Access:
    """TLS, and a user with a password that the brokers know by SCRAM; what most managed services offer."""
    certificates, password = certificates_in(folder, client=USER), _password_in(folder)
    properties = {
        **_tls(certificates),
        **_sasl("SCRAM-SHA-512", f"{_MODULES}.scram.ScramLoginModule required;"),
    }
    return Access(
        "SASL_SSL",
        properties,
        ("--add-scram", f"SCRAM-SHA-512=[name={USER},password={password.read_text()}]"),
        _login("SCRAM-SHA-512", password) | {"KAFKA_SSL_CA": str(certificates.authority)},
    )


def client_certificates(folder: Path) -> Access:
    """TLS on both sides: who has no certificate of this authority does not get in."""
    certificates = certificates_in(folder, client=USER)
    properties = {
        **_tls(certificates),
        "ssl.client.auth": "required",
        "ssl.principal.mapping.rules": "RULE:^.*CN=([^,]+).*$/$1/",
    }
    settings = {
        "KAFKA_SSL_CA": str(certificates.authority),
        "KAFKA_SSL_CERTIFICATE": str(certificates.client),
    }
    return Access("SSL", properties, (), settings)


def plain(folder: Path) -> Access:
    """A name and a password, unencrypted: for a network that is trusted."""
    password = _password_in(folder)
    module = f'{_MODULES}.plain.PlainLoginModule required user_{USER}="{password.read_text()}";'
    return Access("SASL_PLAINTEXT", _sasl("PLAIN", module), (), _login("PLAIN", password))


def bearer(token_url: str, secret: Path) -> Access:
    """Tokens of a server there, without a signature: the brokers believe whom they say, until when they say."""
    module = f'{_MODULES}.oauthbearer.OAuthBearerLoginModule required unsecuredLoginStringClaim_sub="broker";'
    settings = {
        "KAFKA_SASL_MECHANISM": "OAUTHBEARER",
        "KAFKA_OAUTH_TOKEN_URL": token_url,
        "KAFKA_OAUTH_CLIENT_ID": USER,
        "KAFKA_OAUTH_CLIENT_SECRET_FILE": str(secret),
    }
    return Access("SASL_PLAINTEXT", _sasl("OAUTHBEARER", module), (), settings)


def _tls(certificates: Certificates) -> dict[str, str]:
    return {
        "ssl.keystore.type": "PEM",
        "ssl.keystore.location": str(certificates.broker),
        "ssl.truststore.type": "PEM",
        "ssl.truststore.location": str(certificates.authority),
    }


def _sasl(mechanism: str, module: str) -> dict[str, str]:
    return {"sasl.enabled.mechanisms": mechanism, f"{mechanism.lower()}.sasl.jaas.config": module}


def _login(mechanism: str, password: Path) -> dict[str, str]:
    return {
        "KAFKA_SASL_MECHANISM": mechanism,
        "KAFKA_SASL_USERNAME": USER,
        "KAFKA_SASL_PASSWORD_FILE": str(password),
    }


def _password_in(folder: Path) -> Path:
    file = folder / "password"
    if not file.exists():
        folder.mkdir(parents=True, exist_ok=True)
        file.touch(mode=0o600)
        file.write_text(secrets.token_urlsafe(24))
    return file
