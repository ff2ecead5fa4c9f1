"""The PROXY protocol, versions 1 and 2 (haproxy.org, proxy-protocol.txt): whose connection a proxy hands on.

What comes before the first request is read with no guess: it is complete, it is not yet, or it is wrong.
"""

import struct
from dataclasses import dataclass
from ipaddress import ip_address

from gateway.proxies.visitors import is_address

_VERSION_2 = b"\r\n\r\n\x00\r\nQUIT\n"
_VERSION_1 = b"PROXY "
# Its longest line; and far more than addresses with all that is ever said beside them.
_LINE_BYTES, _MESSAGE_BYTES = 107, 4096
_HEAD = struct.Struct("!12sBBH")
# By family: how long both addresses are, and each of them. What is no TCP has none that could be of use.
_FAMILIES = {0x11: 4, 0x21: 16}
_LOCAL, _PROXIED = 0x20, 0x21


class NotAnnouncedError(ValueError):
    """The connection does not begin with what was agreed upon; the message says what is wrong."""


@dataclass(frozen=True, slots=True)
class Announcement:
    """``length`` bytes of it; ``client`` is None where the proxy speaks for itself, or does not know."""

    length: int
    client: tuple[str, int] | None


def read(data: bytes) -> Announcement | None:
    """None while more is to come; NotAnnouncedError for anything else."""
    if data.startswith(_VERSION_2):
        return _message(data)
    if data.startswith(_VERSION_1):
        return _line(data)
    if _VERSION_2.startswith(data) or _VERSION_1.startswith(data):
        return None
    raise NotAnnouncedError("the connection of a trusted proxy must begin with the PROXY protocol (PROXY_PROTOCOL)")


def _line(data: bytes) -> Announcement | None:
    line, end, _ = data[:_LINE_BYTES].partition(b"\r\n")
    if not end:
        if len(data) >= _LINE_BYTES:
            raise NotAnnouncedError("the line of the PROXY protocol does not end")
        return None
    words = line.decode("latin-1").split(" ")
    if words[1] == "UNKNOWN":
        return Announcement(len(line) + 2, None)
    return Announcement(len(line) + 2, _client(*words[1:]))


def _client(family: str = "", source: str = "", target: str = "", port: str = "", *more: str) -> tuple[str, int]:
    version = {"TCP4": 4, "TCP6": 6}.get(family)
    right = version and is_address(source) and is_address(target) and len(more) == 1 and port.isdecimal()
    if not right or {ip_address(source).version, ip_address(target).version} != {version}:
        raise NotAnnouncedError("the line of the PROXY protocol is malformed")
    return source, int(port)


def _message(data: bytes) -> Announcement | None:
    if len(data) < _HEAD.size:
        return None
    _, command, family, size = _HEAD.unpack_from(data)
    each = _FAMILIES.get(family, 0)
    least = 2 * each + 4 if each and command == _PROXIED else 0
    if command not in {_LOCAL, _PROXIED} or not least <= size <= _MESSAGE_BYTES:
        raise NotAnnouncedError("the message of the PROXY protocol is malformed")
    length = _HEAD.size + size
    if len(data) < length:
        return None
    if command == _LOCAL or not each:
        return Announcement(length, None)
    address = ip_address(data[_HEAD.size : _HEAD.size + each])
    [port] = struct.unpack_from("!H", data, _HEAD.size + 2 * each)
    return Announcement(length, (str(address), port))
