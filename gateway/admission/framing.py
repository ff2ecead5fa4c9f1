"""What says where a request ends and whom it is for: said once, and in the one way that everybody reads alike."""

from collections.abc import Mapping
from functools import lru_cache

from gateway.admission.visit import Visit
from gateway.problems.errors import FramingError, MisdirectedError
from gateway.settings import Settings
from runtime.host_names import called, is_loopback


class Names:
    """The names by which the gateway may be called: GATEWAY_HOSTS. Where none are listed and whoever reaches it may do
    everything, because it listens on the loopback and asks for no key, only the loopback's names; else any.
    """

    def __init__(self, settings: Settings) -> None:
        self._listed = frozenset(settings.gateway_hosts)
        self._any = not self._listed and (settings.auth_required or not is_loopback(settings.gateway_host))
        self._are_ours = lru_cache(maxsize=1024)(self._judge)  # clients send the same few again and again

    def check(self, headers: Mapping[bytes, bytes]) -> None:
        """MisdirectedError for another name (RFC 9110, 15.5.20). Without Host, which 1.0 allows, no browser asks."""
        host = headers.get(b"host")
        if host is not None and not self._are_ours(host):
            raise MisdirectedError

    def _judge(self, host: bytes) -> bool:
        name = called(host.decode("latin-1"))
        return self._any or (name in self._listed if self._listed else is_loopback(name))


def check(visit: Visit, http_version: str) -> None:
    """FramingError for no Host or two (RFC 9112, 3.2), and for a transfer coding other than ``chunked`` (6.1)."""
    headers = visit.headers
    if (b"host" not in headers and http_version != "1.0") or visit.repeats(b"host"):
        raise FramingError("Host must come once")
    coding = headers.get(b"transfer-encoding")
    if coding is not None and (
        coding.lower() != b"chunked" or http_version == "1.0" or visit.repeats(b"transfer-encoding")
    ):
        raise FramingError("Transfer-Encoding must be chunked")
