"""A database URL as people paste it, in every form that libpq, SQLAlchemy and managed services write.

Nothing of it is dropped in silence: what cannot be honoured is refused with its name. No message repeats what may be a
part of a password.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from urllib.parse import quote, unquote

from runtime.postgresql.hosts import Host, before_the_name, of_parameter, with_ports
from runtime.postgresql.parameters import refuse_impossible
from runtime.postgresql.service_file import of_service

FORM = "postgresql://user:password@host:5432/name"

_URL = re.compile(
    r"(?P<scheme>[^:/]+)://((?P<user>[^:/?]*?)(:(?P<password>[^/?]*))?@)?(?P<hosts>[^/?@]*)(/(?P<name>[^?@]*))?"
    r"(\?(?P<query>[^@]*))?"
)
_SCHEMES = ("postgresql", "postgres", "postgresql+asyncpg", "postgresql+psycopg", "postgresql+psycopg2")
_ENCODED = f"must look like {FORM}; in a password, / ? # @ % and spaces are written %2F %3F %23 %40 %25 %20"


@dataclass(frozen=True)
class Address:
    """What a URL says. Without ``hosts`` the driver's usual ones are meant; all ``parameters`` can be honoured."""

    hosts: Sequence[Host] = ()
    user: str | None = None
    password: str | None = field(default=None, repr=False)
    database: str | None = None
    parameters: Mapping[str, str] = field(default_factory=dict, repr=False)

    @property
    def places(self) -> list[str]:
        """The hosts as people read them."""
        return [str(host) for host in self.hosts] or ["a local socket"]

    def as_text(self) -> str:
        """One URL for every program of PostgreSQL's."""
        login = quote(self.user or "", safe="") + (f":{quote(self.password, safe='')}" if self.password else "")
        query = "&".join(f"{name}={quote(value, safe='/')}" for name, value in self.parameters.items())
        hosts = ",".join(host.in_url() for host in self.hosts)
        name = quote(self.database or "", safe="")
        return f"postgresql://{f'{login}@' if login else ''}{hosts}/{name}{f'?{query}' if query else ''}"


def read(url: str) -> Address:
    """What it says, with what a service file adds; ValueError names what is wrong and how to mend it."""
    found = _URL.fullmatch(url.strip())
    if found is None or re.search(r"[#\s\x00-\x1f]|%(?![0-9A-Fa-f]{2})|%00", url.strip()):
        raise ValueError(_ENCODED)
    if found["scheme"] not in _SCHEMES:
        raise ValueError(f"must look like {FORM}, or begin with one of {', '.join(f'{name}://' for name in _SCHEMES)}")
    given = _query(found["query"] or "")
    if given.get("host") and found["hosts"]:
        raise ValueError("names hosts in two places: keep those before the name, or those of host=")
    for name, said in (("user", found["user"]), ("password", found["password"]), ("dbname", found["name"])):
        if said and given.setdefault(name, _decoded(said)) != _decoded(said):
            raise ValueError(f"says {name} twice")
    before = before_the_name(found["hosts"]) if found["hosts"] else []
    given = of_service(given) | given
    named = given.pop("host", "")
    return _address(with_ports(before or (of_parameter(named) if named else []), given.pop("port", "")), given)


def _address(hosts: Sequence[Host], given: dict[str, str]) -> Address:
    user, password, name = (given.pop(each, None) or None for each in ("user", "password", "dbname"))
    if "ssl" in given:
        mode = given.pop("ssl")
        given.setdefault("sslmode", {"true": "require", "false": "disable"}.get(mode.lower(), mode))
    given = {name: value for name, value in given.items() if value}
    refuse_impossible(given, several=len(hosts) > 1)
    return Address(hosts, user, password, name, given)


def _query(text: str) -> dict[str, str]:
    """Names and values; several hosts come as one text with commas."""
    found: dict[str, str] = {}
    for part in filter(None, text.split("&")):
        name, equals, value = part.partition("=")
        if not equals:
            raise ValueError("has a parameter without a value after its name: name=value")
        name, value = _decoded(name), _decoded(value)
        if name in found and name != "host":
            raise ValueError(f"says {name} twice")
        found[name] = f"{found[name]},{value}" if name in found else value
    return found


def _decoded(text: str) -> str:
    try:
        return unquote(text, errors="strict")
    except UnicodeDecodeError:
        raise ValueError("has bytes after a % that are no UTF-8") from None
