"""Several gateway processes behind one listening socket: each has its own event loop, lease and connections.

uvicorn's own supervisor cannot run a server of ours, so this does the things that are needed: start, replace a process
that died, pass a stop on to all of them, and not leave them behind: each child watches a pipe that closes with the
supervisor, however that ends.
"""

import logging
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from functools import partial
from pathlib import Path
from types import FrameType

from gateway.observability.siblings import Siblings

log = logging.getLogger(__name__)

SOCKET_VARIABLE = "HEADGATE_LISTENING_FD"
SUPERVISOR_VARIABLE = "HEADGATE_SUPERVISOR_FD"
FOLDER_VARIABLE = "HEADGATE_PROCESSES_FOLDER"
PLACE_VARIABLE = "HEADGATE_PROCESS"
_RESTART_SECONDS = 1.0


def supervise(listening: socket.socket, count: int) -> int:
    """Keep ``count`` processes running on this socket until a signal comes; returns the exit code."""
    watched, held = os.pipe()  # ``held`` is not inherited: the pipe closes when this process ends, by kill -9 too
    folder = tempfile.TemporaryDirectory(prefix="headgate-")
    environment = os.environ | {
        "GATEWAY_PROCESSES": "1",
        SOCKET_VARIABLE: str(listening.fileno()),
        SUPERVISOR_VARIABLE: str(watched),
        FOLDER_VARIABLE: folder.name,
    }
    start = partial(_start, environment, (listening.fileno(), watched))
    stop = _Stop()
    children = [start(position) for position in range(count)]
    while not stop.asked:
        for position, child in enumerate(children):
            if child.poll() is not None and not stop.asked:
                log.error("A gateway process ended with code %s and is replaced", child.returncode)
                time.sleep(_RESTART_SECONDS)
                children[position] = start(position)
        time.sleep(0.2)
    # The children alone decide from here on when nothing is accepted any more: the last of them closes the port.
    listening.close()
    for child in children:
        child.send_signal(signal.SIGTERM)
    code = max((_code(child.wait()) for child in children), default=0)
    os.close(held)
    os.close(watched)
    folder.cleanup()
    return code


def inherited() -> socket.socket | None:
    """The listening socket that a supervisor passed on, if there is one."""
    number = os.environ.get(SOCKET_VARIABLE)
    return socket.socket(fileno=int(number)) if number else None


def supervisor() -> int | None:
    """What becomes readable when the supervisor has ended, if there is one."""
    number = os.environ.get(SUPERVISOR_VARIABLE)
    return int(number) if number else None


def siblings() -> Siblings:
    """Who else serves this socket, as a supervisor told; nobody without one."""
    folder = os.environ.get(FOLDER_VARIABLE)
    return Siblings(Path(folder), os.environ[PLACE_VARIABLE]) if folder else Siblings()


class _Stop:
    def __init__(self) -> None:
        self.asked = False
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._ask)

    def _ask(self, number: int, frame: FrameType | None) -> None:  # noqa: ARG002 -- the signature of a signal handler
        self.asked = True


def _start(environment: dict[str, str], passed: tuple[int, ...], position: int) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "gateway"]
    environment = environment | {PLACE_VARIABLE: str(position)}
    return subprocess.Popen(command, env=environment, pass_fds=passed, process_group=0)


def _code(returned: int) -> int:
    """A child that our signal met before it could take it had nothing to drain."""
    return 0 if returned == -signal.SIGTERM else abs(returned)
