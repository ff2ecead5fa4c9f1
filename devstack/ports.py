"""Ports on loopback: which are free, and what to do about one that is not."""

import fcntl
import functools
import os
import random
import socket
import time

from devstack.errors import DevstackError
from devstack.kafka.jars import cache_dir

HOST = "127.0.0.1"
# Below the range that Linux and macOS give to outgoing connections: a port from there could be taken by some client
# between a server's death and its restart.
_CANDIDATES = range(20_000, 32_000)
# Workers whose stack was killed have ten seconds to write what they know.
_LEAVING_SECONDS = 10.0
_given: set[int] = set()


def is_free(port: int) -> bool:
    """Whether a server could listen there now."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
    return True


def free_port(*, neighbours: int = 1) -> int:
    """A port that nobody listens on and nobody else was given, the first of so many in a row."""
    for first in random.sample(_CANDIDATES, len(_CANDIDATES)):
        if all(is_free(port) and _reserve(port) for port in range(first, first + neighbours)):
            return first
    raise DevstackError("no port on loopback is free")


def usual_port(port: int) -> int:
    """This port, or another free one if it is taken; two stacks of one user that start together get different ones."""
    return port if is_free(port) and _reserve(port) else free_port()


def required_port(port: int, setting: str, *, seconds: float = _LEAVING_SECONDS) -> int:
    """The port that somebody asked for, or a DevstackError that names the setting.

    A stack that was just killed may still be leaving it: that is waited for.
    """
    deadline = time.monotonic() + seconds
    while not is_free(port):
        if time.monotonic() > deadline:
            raise DevstackError(f"port {port} ({setting}) is taken by another program: stop it or set another port")
        time.sleep(0.1)
    return port


def _reserve(port: int) -> bool:
    """Hold the port's lock until this process ends: its server takes seconds to listen and may be killed and restarted.

    The lock of a port is the byte of that number in a file of this user's.
    """
    if port in _given:
        return False
    try:
        fcntl.lockf(_locks(), fcntl.LOCK_EX | fcntl.LOCK_NB, 1, port)
    except OSError:
        return False
    _given.add(port)
    return True


@functools.cache
def _locks() -> int:
    """The file that is locked; it stays open, because closing it would let go of every lock."""
    cache_dir().mkdir(parents=True, exist_ok=True)
    return os.open(cache_dir() / "ports.lock", os.O_RDWR | os.O_CREAT, 0o600)
