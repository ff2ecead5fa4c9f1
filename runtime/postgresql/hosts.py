"""The hosts of a database URL: names, addresses of either kind and folders of sockets, one or several."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import quote, unquote

USUAL_PORT = 5432

_LOOKS = "host must look like host:5432, [::1]:5432 or %2Ffolder%2Fof%2Fa%2Fsocket; several have commas"
_NAME = r"[A-Za-z0-9._-]+"
_SIX = r"[0-9A-Fa-f.]*:[0-9A-Fa-f.]*:[0-9A-Fa-f:.]*(%[\w.-]+)?"
_HOST = re.compile(rf"{_NAME}|{_SIX}|/.+")
_WITH_PORT = re.compile(r"(\[(?P<six>[^\]]*)\]|(?P<name>[^:]*))(:(?P<port>.*))?")

Said = tuple[str, str]
"""A host and its port, or an empty text."""


@dataclass(frozen=True)
class Host:
    """One host; a ``name`` that begins with a slash is the folder of a socket."""

    name: str
    port: int = USUAL_PORT

    def in_url(self) -> str:
        name = f"[{quote(self.name, safe=':')}]" if self._is_six else quote(self.name, safe="")
        return f"{name}:{self.port}"

    def __str__(self) -> str:
        return f"[{self.name}]:{self.port}" if self._is_six else f"{self.name}:{self.port}"

    @property
    def _is_six(self) -> bool:
        return ":" in self.name and not self.name.startswith("/")


def before_the_name(text: str) -> list[Said]:
    """Hosts between ``@`` and the database's name, each percent-encoded by itself."""
    return [(unquote(name), port) for name, port in map(_parted, text.split(","))]


def of_parameter(text: str) -> list[Said]:
    """Hosts of ``host=``, where folders and IPv6 addresses stand as they are, and libpq has ports elsewhere."""
    whole = re.compile(rf"/.*|{_SIX}")
    return [(part, "") if whole.fullmatch(part) else _parted(part) for part in text.split(",")]


def _parted(text: str) -> Said:
    found = _WITH_PORT.fullmatch(text)
    if found is None:
        raise ValueError(_LOOKS)
    return found["six"] or found["name"] or "", found["port"] or ""


def with_ports(said: Sequence[Said], ports: str) -> Sequence[Host]:
    """``ports`` are one for all, or one for each, with commas; ValueError names what is wrong."""
    named = ports.split(",") if ports else []
    if named and not said:
        raise ValueError("port is set, but no host")
    if named and any(port for _, port in said):
        raise ValueError("says ports in two places: keep those behind the hosts, or those of port=")
    if len(named) > 1 and len(named) != len(said):
        raise ValueError(f"port names {len(named)} ports for {len(said)} hosts: one for all, or one for each")
    each = named * len(said) if len(named) == 1 else named or [port for _, port in said]
    return tuple(Host(_name(name), _port(port)) for (name, _), port in zip(said, each, strict=True))


def _name(text: str) -> str:
    if not _HOST.fullmatch(text):
        raise ValueError(_LOOKS)
    return text


def _port(text: str) -> int:
    if not text:
        return USUAL_PORT
    if not text.isascii() or not text.isdecimal() or not 0 < int(text) < 65536:
        raise ValueError("port must be a number from 1 to 65535")
    return int(text)
