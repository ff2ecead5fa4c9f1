"""A connection service file: what a database administrator has written down for a name (PostgreSQL, appendix libpq)."""

import configparser
import os
from collections.abc import Iterator
from pathlib import Path


def of_service(given: dict[str, str]) -> dict[str, str]:
    """What the file says of the service that is asked for, which is taken out of ``given``; the URL itself wins.

    A service that is nowhere is a ValueError.
    """
    name = given.pop("service", "") or os.environ.get("PGSERVICE", "")
    if not name:
        return {}
    files = list(_files())
    for file in files:
        found = _read(file)
        if found.has_section(name):
            return dict(found.items(name))
    raise ValueError(f"service is in none of {', '.join(map(str, files))}")


def _files() -> Iterator[Path]:
    """In the order in which libpq looks."""
    named = os.environ.get("PGSERVICEFILE")
    yield Path(named) if named else Path.home() / ".pg_service.conf"
    yield Path(os.environ.get("PGSYSCONFDIR", "/etc/postgresql-common")) / "pg_service.conf"


def _read(file: Path) -> configparser.ConfigParser:
    found = configparser.ConfigParser(interpolation=None, delimiters=("=",), comment_prefixes=("#",))
    try:
        found.read(file)
    except (OSError, ValueError, configparser.Error):
        raise ValueError(f"service cannot be looked up: {file} cannot be read") from None
    return found
