"""Several gateway processes behind one listening socket: each has its own event loop, lease and connections.

uvicorn's own supervisor cannot run a server of ours, so this does the three things that are needed: start, replace a
process that died, and pass a stop on to all of them.
"""

import logging
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from types import FrameType

from gateway.observability.siblings import Siblings

log = logging.getLogger(__name__)

SOCKET_VARIABLE = "HEADGATE_LISTENING_FD"
FOLDER_VARIABLE = "HEADGATE_PROCESSES_FOLDER"
PLACE_VARIABLE = "HEADGATE_PROCESS"
_RESTART_SECONDS = 1.0


def supervise(listening: socket.socket, count: int) -> int:
    """Keep ``count`` processes running on this socket until a signal comes; returns the exit code."""
    listening.set_inheritable(True)
    folder = tempfile.TemporaryDirectory(prefix="headgate-")
    given = {"GATEWAY_PROCESSES": "1", SOCKET_VARIABLE: str(listening.fileno()), FOLDER_VARIABLE: folder.name}
    environment = os.environ | given
    stop = _Stop()
    children = [_start(listening, environment, position) for position in range(count)]
    while not stop.asked:
        for position, child in enumerate(children):
            if child.poll() is not None and not stop.asked:
                log.error("A gateway process ended with code %s and is replaced", child.returncode)
                time.sleep(_RESTART_SECONDS)
                children[position] = _start(listening, environment, position)
        time.sleep(0.2)
    for child in children:
        child.send_signal(signal.SIGTERM)
    code = max((abs(child.wait()) for child in children), default=0)
    folder.cleanup()
    return code


def inherited() -> socket.socket | None:
    """The listening socket that a supervisor passed on, if there is one."""
    number = os.environ.get(SOCKET_VARIABLE)
    return socket.socket(fileno=int(number)) if number else None


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


def _start(listening: socket.socket, environment: dict[str, str], position: int) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "gateway"]
    environment = environment | {PLACE_VARIABLE: str(position)}
    return subprocess.Popen(command, env=environment, pass_fds=[listening.fileno()], process_group=0)
