"""The static files, each under an address that changes with its content."""

import hashlib
from functools import cache
from importlib.resources import files

STATIC = files("stream_workers.web").joinpath("static")


@cache
def asset(name: str) -> str:
    """The address of a static file; FileNotFoundError if there is none."""
    digest = hashlib.sha256(STATIC.joinpath(name).read_bytes()).hexdigest()[:12]
    return f"/static/{name}?v={digest}"


def is_current(address: str) -> bool:
    """Whether this is the address of a static file as it is now, which then never changes under this address."""
    path, _, _ = address.partition("?")
    name = path.removeprefix("/static/")
    return path.startswith("/static/") and STATIC.joinpath(name).is_file() and address == asset(name)
