"""DATABASE_URL: what it looks like, with one host and with several."""

import re
from collections.abc import Sequence
from typing import Annotated
from urllib.parse import parse_qs, urlsplit

from pydantic import AfterValidator, SecretStr

_SCHEME = "postgresql+asyncpg"
_SEVERAL = f"{_SCHEME}://user:password@/name?host=first:5432&host=second:5432"


def hosts_of(url: str) -> Sequence[str]:
    """The hosts that a DATABASE_URL names, as ``host:port``."""
    parts = urlsplit(url)
    several = parse_qs(parts.query).get("host", [])
    return several or [f"{parts.hostname or 'a local socket'}:{parts.port or 5432}"]


def for_psql(url: str) -> str:
    """The same address as `psql` and other programs of PostgreSQL's take it."""
    parts = urlsplit(url)
    user, at, host = parts.netloc.rpartition("@")
    hosts = ",".join(parse_qs(parts.query).get("host", [host]))
    return f"postgresql://{user}{at}{hosts}{parts.path}"


def _checked(secret: SecretStr) -> SecretStr:
    url = secret.get_secret_value()
    parts = urlsplit(url)
    query = parse_qs(parts.query)
    hosts, target = query.get("host", []), query.get("target_session_attrs", ["read-write"])
    if parts.scheme != _SCHEME or not url.startswith(f"{_SCHEME}://"):
        raise ValueError(f"must look like {_SCHEME}://user:password@host:5432/name")
    if "," in parts.netloc.rpartition("@")[2] or any("," in host for host in hosts):
        raise ValueError(f"names several hosts, which must look like {_SEVERAL}")
    if hosts and parts.netloc.rpartition("@")[2]:
        raise ValueError(f"names hosts in two places; several must look like {_SEVERAL}")
    if len(hosts) > 1 and (wrong := [host for host in hosts if not re.fullmatch(r"[A-Za-z0-9._-]+:\d{1,5}", host)]):
        raise ValueError(f"host={wrong[0]} must look like host=first:5432, with its port")
    if target[0] not in ("read-write", "primary"):
        raise ValueError("target_session_attrs can only be read-write, and is so without being said")
    return secret


DatabaseUrl = Annotated[SecretStr, AfterValidator(_checked)]
