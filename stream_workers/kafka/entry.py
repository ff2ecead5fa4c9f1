"""How a Faust app gets into Kafka: its clients take the same options as every other one."""

from collections.abc import Mapping
from typing import Any

from faust.transport.drivers import aiokafka as driver
from faust.types.auth import AuthProtocol, CredentialsT

from runtime.kafka.clients import Kafka

_stock = driver.credentials_to_aiokafka_auth


class Entry(CredentialsT):
    """Faust's credentials, with aiokafka's options as they are."""

    def __init__(self, options: Mapping[str, Any]) -> None:
        self.protocol = AuthProtocol(options["security_protocol"])
        self.options = options


def faust_options(kafka: Kafka) -> dict[str, Any]:
    """The brokers and how to get in, for a Faust app; its private part is guarded by test_faust_internals.py."""
    driver.credentials_to_aiokafka_auth = _options
    addresses = [f"kafka://{address.strip()}" for address in kafka.bootstrap_servers.split(",")]
    return {"broker": addresses, "broker_credentials": Entry(kafka.entry())}


def _options(credentials: CredentialsT | None = None, ssl_context: Any = None) -> Mapping[str, Any]:
    return credentials.options if isinstance(credentials, Entry) else _stock(credentials, ssl_context)
