"""How one gets into a Kafka, as a value; what of it changes (certificates, passwords, tokens) is read at each use."""

import ssl
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal

from runtime.kafka.access.login import Login
from runtime.kafka.access.tls import Reloading, Tls
from runtime.kafka.access.tokens import Source, Tokens
from runtime.secrets import Secret, SecretUnreadableError

Protocol = Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"]
Mechanism = Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512", "OAUTHBEARER", "GSSAPI"]


@dataclass(frozen=True)
class Kerberos:
    """Whom a ticket is for: the brokers' service, on ``domain`` rather than on each broker's own host.

    Tickets are the Kerberos library's affair: by KRB5_CLIENT_KTNAME it gets and renews them itself.
    """

    service: str = "kafka"
    domain: str | None = None

    def options(self) -> dict[str, Any]:
        """In aiokafka's words."""
        return {"sasl_kerberos_service_name": self.service, "sasl_kerberos_domain_name": self.domain}


@dataclass(frozen=True)
class Security:
    """By default none: neither encryption nor a login."""

    protocol: Protocol = "PLAINTEXT"
    mechanism: Mechanism | None = None
    username: str = ""
    password: Secret = field(default_factory=Secret)
    tokens: Source | None = None
    kerberos: Kerberos = field(default_factory=Kerberos)
    tls: Tls = field(default_factory=Tls)

    def options(self) -> dict[str, Any]:
        """For any client of aiokafka. The password is not among them: ``Connection`` asks the login for it."""
        found: dict[str, Any] = {"security_protocol": self.protocol}
        if self.protocol.endswith("SSL"):
            found["ssl_context"] = self.context
        if self.protocol.startswith("SASL"):
            found |= {"sasl_mechanism": self.mechanism, "sasl_oauth_token_provider": self.login}
            found |= {"sasl_plain_username": self.username, "sasl_plain_password": ""}
            found |= self.kerberos.options()
        return found

    def check(self) -> None:
        """Raise ValueError where a file that is there to be read cannot be, or certificate and key do not fit."""
        try:
            self.password.read()
        except SecretUnreadableError as error:
            raise ValueError(f"KAFKA_SASL_PASSWORD_FILE: {error}") from None
        if self.protocol.endswith("SSL"):
            self.tls.context()

    @cached_property
    def context(self) -> ssl.SSLContext:
        """One for the process; CertificateError names the setting that is wrong."""
        return Reloading.of(self.tls)

    @cached_property
    def login(self) -> Login:
        """One for the process."""
        return Login(self.username, self.password, Tokens(self.tokens) if self.tokens else None)
