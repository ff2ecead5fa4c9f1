"""What says where a request ends and whom it is for: said once, and in the one way that everybody reads alike."""

import re
from collections.abc import Mapping
from functools import lru_cache

from gateway.admission.visit import Header, Visit
from gateway.problems.errors import FramingError, MisdirectedError
from gateway.settings import Settings
from runtime.host_names import called, is_loopback

_REQUEST_LINE = re.compile(rb"[A-Z]+ ([^ \r\n]+) HTTP/1\.[01]\r?\n")
_NOT_ASCII = re.compile(rb"[\x80-\xff]")
_FIELD = re.compile(rb"^([\w-]+):[ \t]*([^\r\n]*)", re.MULTILINE)


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


def encoded(head: bytes) -> bytes:
    """The head with its address percent-encoded, where a client has left that to us: ``?user_name=Анна``."""
    line = _REQUEST_LINE.match(head)
    if line is None:
        return head
    address = _NOT_ASCII.sub(lambda byte: b"%%%02X" % byte[0][0], line[1])
    return head[: line.start(1)] + address + head[line.end(1) :]


def fields(head: bytes) -> list[Header]:
    """The fields of a head that the parser does not come to: in whose language to say why."""
    return [(name.lower(), value) for name, value in _FIELD.findall(head)]


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
