"""What trusted proxies say of a request, in either family of fields, and what a client may put there in their name."""

from typing import Any

import pytest

from gateway.proxies.forwarded import Family, Proxies
from gateway.proxies.visitors import Trusted

PROXY, STRANGER = "10.0.0.1", "192.0.2.7"


def told(*fields: tuple[str, str], family: Family, peer: str = PROXY) -> tuple[str, str, str]:
    """Address, name and scheme, as they are believed."""
    raw = [(name.encode(), value.encode("latin-1")) for name, value in fields]
    scope: dict[str, Any] = {"client": (peer, 4711), "scheme": "http", "headers": raw}
    name = Proxies(Trusted(["10.0.0.0/8"]), family).believe(scope)
    return scope["client"][0], name, scope["scheme"]


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ([], (PROXY, "", "http")),
        ([("x-forwarded-for", "198.51.100.1")], ("198.51.100.1", "", "http")),
        (
            [("x-forwarded-for", "198.51.100.1"), ("x-forwarded-host", "a.example"), ("x-forwarded-proto", "HTTPS")],
            ("198.51.100.1", "a.example", "https"),
        ),
        ([("x-forwarded-host", "evil.example, a.example")], (PROXY, "a.example", "http")),
        ([("x-forwarded-proto", "gopher")], (PROXY, "", "http")),
        (
            [("x-forwarded-for", "6.6.6.6, 198.51.100.1"), ("x-forwarded-for", "10.0.0.2")],
            ("198.51.100.1", "", "http"),
        ),
        ([("forwarded", "for=6.6.6.6;host=evil.example")], (PROXY, "", "http")),
    ],
)
def test_x_forwarded(fields: list[tuple[str, str]], expected: tuple[str, str, str]) -> None:
    assert told(*fields, family="x-forwarded") == expected


@pytest.mark.parametrize(
    ("field", "expected"),
    [
        ("for=198.51.100.1", ("198.51.100.1", "", "http")),
        ("For=198.51.100.1;Proto=https;Host=a.example", ("198.51.100.1", "a.example", "https")),
        ('for="[2001:db8::1]:4711"; host="a.example:8443"', ("2001:db8::1", "a.example:8443", "http")),
        ("for=6.6.6.6;host=evil.example, for=198.51.100.1;host=a.example", ("198.51.100.1", "a.example", "http")),
        (
            "for=198.51.100.1;host=a.example;proto=https, for=10.0.0.2;host=inside;proto=http",
            ("198.51.100.1", "a.example", "https"),
        ),
        # A client cannot swallow what a proxy appends, nor speak with its voice.
        ('for="6.6.6.6, for=198.51.100.1', ("198.51.100.1", "", "http")),
        ('for=6.6.6.6;x=", for=198.51.100.1;host=a.example', ("198.51.100.1", "a.example", "http")),
        ("for=198.51.100.1, for=unknown;host=b.example", (PROXY, "", "http")),
        ("for=198.51.100.1, for=_hidden", (PROXY, "", "http")),
        ("nonsense", (PROXY, "", "http")),
        ("", (PROXY, "", "http")),
        (",,;;=", (PROXY, "", "http")),
        ("for=\xe4\xff", (PROXY, "", "http")),
    ],
)
def test_forwarded(field: str, expected: tuple[str, str, str]) -> None:
    assert told(("forwarded", field), family="forwarded") == expected


def test_the_other_family_is_what_a_client_has_sent() -> None:
    assert told(("x-forwarded-for", "6.6.6.6"), ("x-forwarded-host", "evil"), family="forwarded")[0] == PROXY


@pytest.mark.parametrize("family", ["x-forwarded", "forwarded"])
def test_nobody_else_is_believed(family: Family) -> None:
    fields = [("x-forwarded-for", "6.6.6.6"), ("x-forwarded-host", "evil"), ("forwarded", "for=6.6.6.6;host=evil")]
    assert told(*fields, family=family, peer=STRANGER) == (STRANGER, "", "http")
