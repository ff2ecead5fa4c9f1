"""Whether what goes to Kafka can be read on its way: said loudly, since nothing else would tell."""

from collections.abc import Iterator
from ipaddress import ip_address

from runtime.kafka.clients import Kafka

# Names that resolve inside one network: a single word (compose, Kubernetes), and the ends that are kept for it.
_INSIDE = ("localhost", "local", "internal", "svc", "lan", "home.arpa", "test")


def exposed(kafka: Kafka) -> str | None:
    """What is wrong and how to mend it, where events go unencrypted to a public address; None where they do not."""
    if kafka.security.protocol in ("SSL", "SASL_SSL"):
        return None
    outside = next((host for host in _hosts(kafka.bootstrap_servers) if not _is_inside(host)), None)
    if outside is None:
        return None
    return (
        f"UNENCRYPTED TO {outside}: whoever is on the way reads the events"
        + (" and the password" if kafka.security.protocol == "SASL_PLAINTEXT" else "")
        + " (KAFKA_SECURITY_PROTOCOL=SASL_SSL or SSL changes that)"
    )


def _hosts(bootstrap_servers: str) -> Iterator[str]:
    for address in bootstrap_servers.split(","):
        yield address.strip().rpartition(":")[0].strip("[]")


def _is_inside(host: str) -> bool:
    try:
        address = ip_address(host)
    except ValueError:
        return "." not in host or host.endswith(tuple(f".{end}" for end in _INSIDE))
    return address.is_private or address.is_loopback
