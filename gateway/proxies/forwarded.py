"""What trusted proxies say of a request: who asks, by which name, and whether it came encrypted.

One family of fields is believed, that of FORWARDED_HEADERS: a proxy that writes the one passes the other on as its
client has sent it. And a field counts only as far as trusted proxies wrote it, which is from the right.
"""

import re
from collections.abc import MutableMapping, Sequence
from typing import Any, Literal

from gateway.proxies.visitors import Trusted

Family = Literal["x-forwarded", "forwarded"]
Fields = Sequence[tuple[bytes, bytes]]

_TOKEN = r"[\w!#$%&'*+.^`|~:\[\]-]+"  # noqa: S105 -- of RFC 9110, and what people forget to quote
_PAIR = re.compile(rf'\s*({_TOKEN})=(?:"([^"\\]*)"|({_TOKEN}))\s*', re.ASCII)


class Proxies:
    """``believe`` replaces, in a request that came through trusted proxies, what is theirs by what is the client's.

    All but the name: Host stays, because a page of elsewhere can have its browser send whatever else it likes, and that
    browser may run where a trusted proxy does.
    """

    def __init__(self, trusted: Trusted, family: Family = "x-forwarded") -> None:
        self._trusted = trusted
        self._told = _by_x_forwarded if family == "x-forwarded" else _by_forwarded

    def believe(self, scope: MutableMapping[str, Any]) -> str:
        """Replace client and scheme in the scope; returns the name by which the client asked, or an empty text."""
        peer = scope["client"]
        if not peer or not self._trusted.has(peer[0]):
            return ""
        address, host, scheme = self._told(self._trusted, peer[0], scope["headers"])
        scope["client"] = (address, 0)
        if scheme in {"http", "https"}:
            scope["scheme"] = scheme
        return host


Told = tuple[str, str, str]
"""Address, name and scheme; what was not told is empty."""


def _by_x_forwarded(trusted: Trusted, peer: str, fields: Fields) -> Told:
    """X-Forwarded-For, -Host and -Proto. Of several names or schemes the last is the nearest proxy's own."""
    address, _ = trusted.first_stranger(peer, _entries(fields, b"x-forwarded-for"))
    host, scheme = (_entries(fields, name)[-1:] for name in (b"x-forwarded-host", b"x-forwarded-proto"))
    return address, "".join(host).strip(), "".join(scheme).strip().lower()


def _by_forwarded(trusted: Trusted, peer: str, fields: Fields) -> Told:
    """RFC 7239: each proxy appends what it saw; the client's own request is what the last one believed has seen."""
    elements = [_pairs(element) for element in _entries(fields, b"forwarded")]
    address, believed = trusted.first_stranger(peer, [element.get("for", "") for element in elements])
    seen = elements[-believed] if believed else {}
    return address, seen.get("host", ""), seen.get("proto", "").lower()


def _entries(fields: Fields, name: bytes) -> list[str]:
    """The entries of a field, which may come several times. A comma in quotes makes its element unreadable, no more."""
    text = b",".join(value for field, value in fields if field == name).decode("latin-1")
    return text.split(",") if text else []


def _pairs(element: str) -> dict[str, str]:
    """``for=192.0.2.7;proto=https``; empty where it is anything else."""
    found = [_PAIR.fullmatch(part) for part in element.split(";") if part.strip()]
    return {pair[1].lower(): pair[2] or pair[3] or "" for pair in found if pair} if all(found) else {}
