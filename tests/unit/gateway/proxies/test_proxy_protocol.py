"""The PROXY protocol: read whole however it is cut, and nothing else is taken for it."""

import socket
import struct

import pytest

from gateway.proxies.proxy_protocol import Announcement, NotAnnouncedError, read

SIGNATURE = b"\r\n\r\n\x00\r\nQUIT\n"


def message(command: int, family: int, body: bytes) -> bytes:
    return SIGNATURE + struct.pack("!BBH", command, family, len(body)) + body


V4 = socket.inet_aton("192.0.2.7") + socket.inet_aton("10.0.0.1") + struct.pack("!HH", 4711, 8000)
V6 = socket.inet_pton(socket.AF_INET6, "2001:db8::7") * 2 + struct.pack("!HH", 4711, 8000)
TLV = b"\x04\x00\x05abcde"

GOOD = [
    (b"PROXY TCP4 192.0.2.7 10.0.0.1 4711 8000\r\n", ("192.0.2.7", 4711)),
    (b"PROXY TCP6 2001:db8::7 2001:db8::1 4711 8000\r\n", ("2001:db8::7", 4711)),
    (b"PROXY UNKNOWN\r\n", None),
    (b"PROXY UNKNOWN whatever it says\r\n", None),
    (message(0x21, 0x11, V4), ("192.0.2.7", 4711)),
    (message(0x21, 0x11, V4 + TLV), ("192.0.2.7", 4711)),
    (message(0x21, 0x21, V6), ("2001:db8::7", 4711)),
    (message(0x20, 0x00, b""), None),  # a proxy's own health check
    (message(0x20, 0x11, V4), None),
    (message(0x21, 0x31, b"\x00" * 216), None),  # two sockets of Unix
]


@pytest.mark.parametrize(("begun", "client"), GOOD)
def test_it_is_read_however_it_is_cut(begun: bytes, client: tuple[str, int] | None) -> None:
    for end in range(len(begun)):
        assert read(begun[:end]) is None
    assert read(begun + b"GET / HTTP/1.1\r\n") == Announcement(len(begun), client)


@pytest.mark.parametrize(
    "begun",
    [
        b"GET / HTTP/1.1\r\n",
        b"\x16\x03\x01",  # a handshake of TLS
        b"PROXY TCP4 192.0.2.7 10.0.0.1 4711\r\n",
        b"PROXY TCP4 192.0.2.7 10.0.0.1 4711 8000 more\r\n",
        b"PROXY TCP6 192.0.2.7 10.0.0.1 4711 8000\r\n",
        b"PROXY TCP4 192.0.2.7 2001:db8::1 4711 8000\r\n",
        b"PROXY TCP4 nobody 10.0.0.1 4711 8000\r\n",
        b"PROXY TCP4 192.0.2.7 10.0.0.1 -1 8000\r\n",
        b"PROXY TCP4 \xff\xfe 10.0.0.1 1 8000\r\n",
        b"PROXY  \r\n",
        b"PROXY " + b"x" * 200,
        message(0x11, 0x11, V4),
        message(0x22, 0x11, V4),
        message(0x21, 0x11, V4[:-1]),
        message(0x21, 0x21, V4),
        SIGNATURE + struct.pack("!BBH", 0x21, 0x11, 65535),
    ],
)
def test_anything_else_is_refused(begun: bytes) -> None:
    with pytest.raises(NotAnnouncedError):
        read(begun)
