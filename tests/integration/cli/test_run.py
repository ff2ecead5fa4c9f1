"""`headgate run`, which is `make run`, as a person uses it: started, tried, interrupted, killed, started again."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

from cli.environment import known_names
from devstack import addresses
from devstack.ports import HOST, free_port
from tests.support.commands import ROOT
from tests.support.forked import headgate

SECONDS = 150.0

pytestmark = pytest.mark.timeout(500)


class Stack:
    """One `headgate run` in a folder with a space in its name, on ports that nobody else uses."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.data_dir = folder / ".headgate"
        self.process: subprocess.Popen[str] | None = None
        self.environment = {name: value for name, value in os.environ.items() if name not in known_names()}
        self.environment |= {"PYTHONPATH": str(ROOT), "GATEWAY_PORT": str(free_port(neighbours=2))}
        self.environment |= {"WORKER_WEB_PORT": str(free_port(neighbours=4))}
        self.environment |= {"POSTGRES_PORT": str(free_port(neighbours=2))}
        self.environment |= {"KAFKA_PORT": str(free_port())}

    @property
    def gateway(self) -> str:
        return f"http://{HOST}:{self.environment['GATEWAY_PORT']}"

    def start(self) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "cli", "run"],
            cwd=self.folder,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def until_ready(self) -> None:
        eventually(lambda: bool(addresses.of_running_stack(self.data_dir)) or self.ended)
        assert not self.ended, self.output()

    @property
    def ended(self) -> bool:
        return self.process is None or self.process.poll() is not None

    def signal(self, number: int) -> str:
        assert self.process
        self.process.send_signal(number)
        return self.output()

    def output(self) -> str:
        assert self.process
        return self.process.communicate(timeout=SECONDS)[0]

    def command(self, *args: str) -> str:
        """A `headgate` command in another terminal, which knows the stack's addresses by itself."""
        done = headgate(*args, cwd=self.folder)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def processes(self) -> list[psutil.Process]:
        """Whatever still runs in or on the data folder, or on the gateway's port."""
        mark = str(self.data_dir)
        found = []
        for process in psutil.process_iter():
            try:
                if process.status() != psutil.STATUS_ZOMBIE and mark in " ".join([process.cwd(), *process.cmdline()]):
                    found.append(process)
            except psutil.Error:
                continue
        return found

    def process_of(self, mark: str) -> psutil.Process | None:
        """The child whose command line holds that."""
        assert self.process
        children = psutil.Process(self.process.pid).children()
        return next((one for one in children if mark in " ".join(_words(one))), None)

    @contextlib.contextmanager
    def nothing_started_again(self) -> Iterator[None]:
        """What is killed stays away, for however long somebody takes to notice."""
        assert self.process
        self.process.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self.process.send_signal(signal.SIGCONT)

    def submit(self) -> int:
        """The status of the answer; 0 if there is none."""
        try:
            body = {"user_name": "ada", "description": "A bridge"}
            return httpx.post(f"{self.gateway}/applications", json=body).status_code
        except httpx.TransportError:
            return 0


def _words(process: psutil.Process) -> list[str]:
    try:
        return process.cmdline()
    except psutil.Error:  # ended a moment ago
        return []


def eventually(condition: Callable[[], bool], *, seconds: float = SECONDS) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not come true in time"
        time.sleep(0.1)


@pytest.fixture
def stack(tmp_path: Path) -> Iterator[Stack]:
    folder = tmp_path / "a clone"
    folder.mkdir()
    stack = Stack(folder)
    yield stack
    if not stack.ended:
        stack.signal(signal.SIGTERM)


def test_from_a_request_to_the_event_and_back_after_a_kill(stack: Stack) -> None:
    stack.start()
    stack.until_ready()
    answer = httpx.post(f"{stack.gateway}/applications", json={"user_name": "ada", "description": "A bridge"})
    assert answer.status_code == 201
    assert answer.text in stack.command("topics", "tail", "--from-beginning", "--count", "1")
    journal = stack.data_dir / "logs" / "worker-journal.log"
    eventually(lambda: answer.json()["id"] in journal.read_text())
    assert "accepted  20 in" in stack.command("load", "--count", "20", "--connections", "4")

    stack.signal(signal.SIGKILL)
    eventually(lambda: not stack.processes())
    stack.start()
    stack.until_ready()
    assert httpx.get(f"{stack.gateway}/applications/{answer.json()['id']}").json() == answer.json()

    output = stack.signal(signal.SIGINT)
    assert stack.process
    assert (stack.process.returncode, output.splitlines()[-1]) == (0, "stopped")
    assert not stack.processes()


@pytest.mark.parametrize("mark", ["kafka.Kafka", "/bin/postgres -D", "-m cli gateway"])
def test_what_is_killed_is_started_again(stack: Stack, mark: str) -> None:
    stack.start()
    stack.until_ready()
    killed = stack.process_of(mark)
    assert killed
    killed.kill()
    eventually(lambda: stack.process_of(mark) not in {None, killed})
    eventually(lambda: stack.submit() == httpx.codes.CREATED)
    assert "is started again" in stack.signal(signal.SIGINT)
    assert not stack.processes()


def test_a_cluster_shows_each_part_and_misses_none_for_long(stack: Stack) -> None:
    """Three brokers, a replica, two gateways, three metrics workers: one of each is killed, and nobody is refused."""
    stack.environment["CLUSTER"] = "1"
    stack.start()
    stack.until_ready()
    gateway, web = (int(stack.environment[name]) for name in ("GATEWAY_PORT", "WORKER_WEB_PORT"))
    submit(gateway)
    eventually(lambda: replica_of(gateway) == "ok")
    eventually(lambda: members(web) == {"metrics": 3, "journal": 1})
    eventually(lambda: len(get(web, "api/health")["parts"][1]["brokers"]) == 3)
    assert len(get(web, "api/overview")["gateways"]) == 2

    with stack.nothing_started_again():
        for pid_file in ("kafka-cluster/2/broker.pid", "postgres-replica/cluster/postmaster.pid"):
            os.kill(int((stack.data_dir / pid_file).read_text().split()[0]), signal.SIGKILL)
        kill_on_port(gateway + 1)
        kill_on_port(web + 2)
        eventually(lambda: replica_of(gateway) == "unavailable")
        submit(gateway)
    eventually(lambda: replica_of(gateway) == "ok")
    eventually(lambda: members(web) == {"metrics": 3, "journal": 1})
    submit(gateway + 1)
    eventually(lambda: get(web, "api/overview")["total"] == 3)

    output = stack.signal(signal.SIGINT)
    assert stack.process
    assert (stack.process.returncode, output.splitlines()[-1]) == (0, "stopped")
    for name in ("Kafka broker 2", "PostgreSQL replica", "the gateway-2", "the worker-metrics-2"):
        assert f"{name} is started again" in output
    for port in (gateway, gateway + 1, web, web + 1, web + 2, web + 3):
        assert f"http://{HOST}:{port}/" in output
    assert not stack.processes()


def get(port: int, path: str) -> dict[str, Any]:
    answer: dict[str, Any] = httpx.get(f"http://{HOST}:{port}/{path}", timeout=20).json()
    return answer


def submit(port: int) -> None:
    eventually(lambda: is_ready(port))
    new = {"user_name": "ada", "description": "A bridge"}
    assert httpx.post(f"http://{HOST}:{port}/applications", json=new).status_code == 201


def is_ready(port: int) -> bool:
    try:
        return bool(get(port, "readyz")["ready"])
    except httpx.TransportError:
        return False


def replica_of(gateway: int) -> str:
    return str(get(gateway, "healthz")["dependencies"]["replica"]["status"])


def members(web: int) -> dict[str, int]:
    """How many workers of each kind the page shows."""
    return {agent["kind"]: len(agent["workers"]) for agent in get(web, "api/agents")["agents"]}


def kill_on_port(port: int) -> None:
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            if any(at.status == psutil.CONN_LISTEN and at.laddr.port == port for at in process.net_connections()):
                process.kill()


@pytest.mark.parametrize("seconds", [0.1, 1.0, 2.5, 5.0])
def test_an_interrupted_start_leaves_no_process(stack: Stack, seconds: float) -> None:
    stack.start()
    time.sleep(seconds)  # the moment is the test's parameter, not a wait for something
    assert stack.process
    stack.process.send_signal(signal.SIGINT)
    if seconds < 1 and not _ends(stack):  # Python's own start may swallow it; a person presses again
        stack.process.send_signal(signal.SIGINT)
    output = stack.output()
    # Before Python's own start is over, nobody can be quiet; and one that fails ends with 1.
    failed = any(said in output for said in ("Fatal Python error: init", "Could not import runpy module"))
    assert stack.process.returncode in ({1, -signal.SIGINT} if failed else {0, 130, -signal.SIGINT})
    assert "Traceback" not in output or seconds < 1
    eventually(lambda: not stack.processes())


def _ends(stack: Stack) -> bool:
    try:
        eventually(lambda: stack.ended, seconds=20)
    except AssertionError:
        return False
    return True


@pytest.mark.parametrize("setting", ["GATEWAY_PORT", "WORKER_WEB_PORT", "POSTGRES_PORT", "KAFKA_PORT"])
def test_a_port_that_was_asked_for_and_is_taken_is_named(stack: Stack, setting: str) -> None:
    with socket.create_server((HOST, int(stack.environment[setting]))):
        stack.start()
        output = stack.output()
    assert stack.process
    assert stack.process.returncode == 1
    assert f"port {stack.environment[setting]} ({setting}) is taken" in output
    assert "Traceback" not in output
    eventually(lambda: not stack.processes())


def test_a_second_one_on_the_same_data_is_refused(stack: Stack) -> None:
    stack.data_dir.mkdir()
    with addresses.claim(stack.data_dir):
        stack.start()
        output = stack.output()
    assert "is in use by another `make run`" in output
    assert len(output.splitlines()) == 1


def test_a_service_that_dies_is_told_with_its_last_words(stack: Stack) -> None:
    stack.environment["DATABASE_URL"] = "postgresql+asyncpg://headgate:headgate@127.0.0.1:1/headgate"
    stack.start()
    output = stack.output()
    assert stack.process
    assert stack.process.returncode == 1
    assert "PostgreSQL at 127.0.0.1:1 cannot be reached" in output
    eventually(lambda: not stack.processes())
