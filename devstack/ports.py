"""Ports on loopback: which are free, and what to do about one that is not."""

import random
import socket

from devstack.errors import DevstackError

HOST = "127.0.0.1"
# Below the range that Linux and macOS give to outgoing connections: a port from there could be taken by some client
# between a server's death and its restart.
_CANDIDATES = range(20_000, 32_000)


def is_free(port: int) -> bool:
    """Whether a server could listen there now."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
    return True


def free_port() -> int:
    """A port that nobody listens on; somebody may take it a moment later."""
    return next(port for port in random.sample(_CANDIDATES, len(_CANDIDATES)) if is_free(port))


def required_port(port: int, setting: str) -> int:
    """The port that somebody asked for, or a DevstackError that names the setting."""
    if not is_free(port):
        raise DevstackError(f"port {port} ({setting}) is taken by another program: stop that one or set another port")
    return port
