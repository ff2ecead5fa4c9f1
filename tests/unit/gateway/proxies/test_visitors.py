"""Which address a request came from, through proxies that are trusted and proxies that are not."""

import pytest

from gateway.proxies.visitors import Trusted, name_of

PROXIES = ["10.0.0.0/8", "fd00::/8"]


@pytest.mark.parametrize(
    ("peer", "forwarded", "address"),
    [
        ("192.0.2.7", None, "192.0.2.7"),
        ("192.0.2.7", b"198.51.100.1", "192.0.2.7"),
        ("10.0.0.1", b"198.51.100.1", "198.51.100.1"),
        ("10.0.0.1", b"203.0.113.9, 198.51.100.1", "198.51.100.1"),
        ("10.0.0.1", b"203.0.113.9, 198.51.100.1, 10.1.1.1", "198.51.100.1"),
        ("10.0.0.1", b"198.51.100.1:4711", "198.51.100.1"),
        ("10.0.0.1", b"[2001:db8::1]:4711", "2001:db8::1"),
        ("::ffff:10.0.0.1", b"198.51.100.1, ::ffff:10.1.1.1", "198.51.100.1"),
        ("fd00::1", b"2001:db8::1", "2001:db8::1"),
        ("10.0.0.1", b"10.0.0.2, 10.0.0.3", "10.0.0.2"),
        ("10.0.0.1", b"198.51.100.1, unknown", "10.0.0.1"),
        ("10.0.0.1", b"", "10.0.0.1"),
        ("10.0.0.1", b"\xff\xfe", "10.0.0.1"),
        ("local", b"198.51.100.1", "local"),
    ],
)
def test_the_first_address_from_the_right_that_is_no_proxy(peer: str, forwarded: bytes | None, address: str) -> None:
    entries = forwarded.decode("latin-1").split(",") if forwarded is not None else []
    assert Trusted(PROXIES).first_stranger(peer, entries)[0] == address


def test_without_trusted_proxies_the_field_means_nothing() -> None:
    assert Trusted([]).first_stranger("10.0.0.1", ["198.51.100.1"])[0] == "10.0.0.1"


@pytest.mark.parametrize(
    ("address", "name"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2:ffff::", "2001:db8:1:2::/64"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("local", "local"),
    ],
)
def test_an_ipv6_host_is_its_prefix(address: str, name: str) -> None:
    assert name_of(address) == name
