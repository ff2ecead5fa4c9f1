"""Settings of Kafka's security that contradict each other, miss each other, or would be passed over in silence."""

import importlib.util
from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from runtime.kafka.access.settings import AccessSettings


def _either(secret: str) -> tuple[str, str]:
    """A secret is set itself, or by the file that holds it."""
    return secret, f"{secret}_file"


_TOKENS = ("kafka_oauth_token_url", "kafka_oauth_token_file", "kafka_aws_region")
_KERBEROS = ("kafka_sasl_kerberos_service_name", "kafka_sasl_kerberos_domain_name")
_TAKES = {"OAUTHBEARER": "tokens", "GSSAPI": "a ticket"}
_AT_TOKEN_URL = (
    "kafka_oauth_client_id",
    *_either("kafka_oauth_client_secret"),
    "kafka_oauth_scope",
    "kafka_oauth_audience",
)


def refuse_impossible(settings: "AccessSettings") -> None:
    """Raise ValueError with a line for each combination that cannot be meant; it names what to set."""
    wrong = [*_said_twice(settings), *_without_effect(settings), *_login_lacks(settings), *_lacks(settings)]
    if wrong:
        raise ValueError("\n".join(wrong))


def _said_twice(settings: "AccessSettings") -> Iterator[str]:
    if len(found := _of(settings, *_TOKENS)) > 1:
        yield f"{' and '.join(found)} are set: keep the one that tokens come from"


def _without_effect(settings: "AccessSettings") -> Iterator[str]:
    protocol, mechanism = settings.kafka_security_protocol, settings.kafka_sasl_mechanism
    for start, part, wanted in (
        ("kafka_sasl_", "SASL", "SASL_SSL"),
        ("kafka_oauth_", "SASL", "SASL_SSL"),
        ("kafka_ssl_", "SSL", "SASL_SSL or SSL"),
    ):
        names = sorted(name for name in settings.model_fields_set if name.startswith(start))
        if (found := _of(settings, *names)) and part not in protocol.split("_"):
            yield f"{found[0]} is set, but KAFKA_SECURITY_PROTOCOL is {protocol}: set that to {wanted}"
    passwords = _of(settings, "kafka_sasl_username", *_either("kafka_sasl_password"))
    if mechanism in _TAKES and passwords:
        yield (
            f"{passwords[0]} is set, but KAFKA_SASL_MECHANISM is {mechanism}, which takes {_TAKES[mechanism]}: "
            "remove one of them"
        )
    for wanted, its_own in (("OAUTHBEARER", _TOKENS), ("GSSAPI", _KERBEROS)):
        if mechanism != wanted and (found := _of(settings, *its_own)):
            yield f"{found[0]} is set, but KAFKA_SASL_MECHANISM is {mechanism}: set that to {wanted}"
    if not settings.kafka_oauth_token_url and (found := _of(settings, *_AT_TOKEN_URL)):
        yield f"{found[0]} is set, but KAFKA_OAUTH_TOKEN_URL is not: it is for the token server there"


def _login_lacks(settings: "AccessSettings") -> Iterator[str]:
    protocol, mechanism = settings.kafka_security_protocol, settings.kafka_sasl_mechanism
    if mechanism is None:
        if protocol.startswith("SASL"):
            yield f"KAFKA_SECURITY_PROTOCOL is {protocol}: set KAFKA_SASL_MECHANISM as well"
    elif mechanism == "OAUTHBEARER":
        if not _of(settings, *_TOKENS):
            yield "KAFKA_SASL_MECHANISM is OAUTHBEARER: set KAFKA_OAUTH_TOKEN_URL or KAFKA_OAUTH_TOKEN_FILE as well"
    elif mechanism != "GSSAPI":
        for wanted in (("kafka_sasl_username",), _either("kafka_sasl_password")):
            if not _of(settings, *wanted):
                yield f"KAFKA_SASL_MECHANISM is {mechanism}: set {' or '.join(map(str.upper, wanted))} as well"


def _lacks(settings: "AccessSettings") -> Iterator[str]:
    if settings.kafka_oauth_token_url:
        for wanted in (("kafka_oauth_client_id",), _either("kafka_oauth_client_secret")):
            if not _of(settings, *wanted):
                yield f"KAFKA_OAUTH_TOKEN_URL is set: set {' or '.join(map(str.upper, wanted))} as well"
    if settings.kafka_ssl_key and not settings.kafka_ssl_certificate:
        yield "KAFKA_SSL_KEY is set: set KAFKA_SSL_CERTIFICATE as well"
    if settings.kafka_aws_region and importlib.util.find_spec("aws_msk_iam_sasl_signer") is None:
        yield "KAFKA_AWS_REGION is set: install `headgate[msk]`, which signs the tokens for it"
    if settings.kafka_sasl_mechanism == "GSSAPI" and importlib.util.find_spec("gssapi") is None:
        yield "KAFKA_SASL_MECHANISM is GSSAPI: install `headgate[kerberos]`, which knows Kerberos"


def _of(settings: "AccessSettings", *names: str) -> list[str]:
    """Those that have a value, as one writes them."""
    return [name.upper() for name in names if getattr(settings, name) is not None]
