"""What people do to the development stack's servers, and that it survives or says clearly what is wrong."""

import errno
import os
import signal
import socket
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from devstack import addresses
from devstack.errors import DevstackError
from devstack.kafka import jars
from devstack.kafka.broker import Broker
from devstack.kafka.brokers import Brokers
from devstack.ports import HOST, free_port, is_free, required_port, usual_port
from devstack.postgresql.postgres import Postgres

SECONDS = 90.0


def eventually(condition: Callable[[], bool], *, seconds: float = SECONDS) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not come true in time"
        time.sleep(0.05)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Postgres]:
    """A PostgreSQL of the test's own; not started."""
    server = Postgres(tmp_path / "a folder" / "postgres", options={"fsync": "off"})
    yield server
    server.kill()


@pytest.fixture
def node(tmp_path: Path) -> Iterator[Broker]:
    """A broker of the test's own; not started."""
    node = Broker(tmp_path / "a folder" / "kafka")
    yield node
    node.kill()


def test_a_half_made_cluster_is_made_again(server: Postgres) -> None:
    partial = server.data_dir / "cluster.partial"
    partial.mkdir(parents=True)
    (partial / "PG_VERSION").write_text("18")
    server.start()
    assert not partial.exists()


def test_a_half_formatted_storage_is_formatted_again(node: Broker) -> None:
    partial = node.data_dir / "storage.partial"
    partial.mkdir(parents=True)
    (partial / "meta.properties").write_text("version=1\n")
    node.start()
    assert not partial.exists()


def test_a_stale_lock_file_with_a_foreign_process_is_no_obstacle(server: Postgres) -> None:
    server.start()
    server.stop()
    lock = server.data_dir / "cluster" / "postmaster.pid"
    lock.write_text(f"{os.getpid()}\n{server.data_dir / 'cluster'}\n0\n{server.port}\n\n{HOST}\n0 0\nready\n")
    server.start()


def test_a_server_that_was_left_running_makes_way(server: Postgres) -> None:
    server.start()
    assert server.child
    left = server.child
    successor = Postgres(server.data_dir, options={"fsync": "off"})
    try:
        successor.start()
        assert not left.running
    finally:
        successor.kill()


def test_a_broker_that_was_left_running_makes_way(node: Broker) -> None:
    node.start()
    assert node.child
    left = node.child
    successor = Broker(node.data_dir)
    try:
        successor.start()
        assert not left.running
    finally:
        successor.kill()


def test_a_number_that_another_process_has_now_is_not_killed(node: Broker) -> None:
    node.data_dir.mkdir(parents=True)
    with subprocess.Popen(["sleep", "60"]) as bystander:
        (node.data_dir / "broker.pid").write_text(f"{bystander.pid} 1.0\n")
        node.end_leftover()
        assert bystander.poll() is None
        bystander.kill()


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere the next start ends what is left")
def test_servers_die_with_their_parent(tmp_path: Path) -> None:
    script = f"""
        import time
        from pathlib import Path
        from devstack.kafka.broker import Broker
        from devstack.postgresql.postgres import Postgres
        postgres, broker = Postgres(Path({str(tmp_path)!r}) / "p"), Broker(Path({str(tmp_path)!r}) / "k")
        postgres.start()
        broker.start()
        print(postgres.child.pid, broker.child.pid, flush=True)
        time.sleep(600)
    """
    with subprocess.Popen([sys.executable, "-c", textwrap.dedent(script)], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout
        children = [int(word) for word in parent.stdout.readline().split()]
        assert len(children) == 2
        parent.kill()
    eventually(lambda: not any(map(_runs, children)))


def _runs(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def test_a_paused_server_goes_on(server: Postgres) -> None:
    server.start()
    assert server.child
    process = psutil.Process(server.child.pid)
    server.pause()
    eventually(lambda: process.status() == psutil.STATUS_STOPPED)
    server.resume()
    eventually(lambda: process.status() != psutil.STATUS_STOPPED)
    server.stop()


def test_data_of_another_version_is_refused(server: Postgres) -> None:
    server.start()
    server.stop()
    (server.data_dir / "cluster" / "PG_VERSION").write_text("16\n")
    with pytest.raises(DevstackError, match=r"made by PostgreSQL 16, this is 18: move the folder away"):
        server.start()


def test_a_taken_port_is_told_with_the_setting() -> None:
    with socket.create_server((HOST, 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(DevstackError, match=rf"port {port} \(GATEWAY_PORT\) is taken"):
            required_port(port, "GATEWAY_PORT")
        assert usual_port(port) != port


def test_two_that_start_together_get_different_ports() -> None:
    port = free_port()
    other = f"from devstack.ports import usual_port; print(usual_port({port}))"
    found = subprocess.run([sys.executable, "-c", other], capture_output=True, text=True, check=True, timeout=SECONDS)
    assert int(found.stdout) != port


def test_a_server_without_its_port_says_so(server: Postgres) -> None:
    with socket.create_server((HOST, 0)) as taken:
        server.port = taken.getsockname()[1]
        with pytest.raises(DevstackError, match="PostgreSQL ended"):
            server.start()


def test_a_data_folder_has_one_owner(tmp_path: Path) -> None:
    with addresses.claim(tmp_path):
        addresses.publish(tmp_path, {"GATEWAY_PORT": "8001"})
        assert addresses.of_running_stack(tmp_path) == {"GATEWAY_PORT": "8001"}
        with pytest.raises(DevstackError, match=rf"process {os.getpid()}"):
            addresses.claim(tmp_path)
    assert addresses.of_running_stack(tmp_path) == {}


def test_what_cannot_be_fetched_is_named_in_one_line(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:1")
    jars.class_path.cache_clear()
    try:
        with pytest.raises(DevstackError, match=r"could not fetch [\w.]+:[\w.-]+:[\d.]+ from Maven Central") as caught:
            jars.class_path()
        assert "\n" not in str(caught.value)
    finally:
        jars.class_path.cache_clear()
    assert not list((tmp_path / "headgate").glob("*/*.jar"))


def test_a_damaged_jar_is_not_used(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, broker: Broker) -> None:
    assert broker.child
    whole = Path(jars.class_path().split(os.pathsep)[0]).parent
    cache = tmp_path / "headgate"
    copy = cache / whole.name
    cache.mkdir()
    copy.mkdir()
    for jar in whole.iterdir():
        (copy / jar.name).symlink_to(jar)
    victim = next(copy.iterdir())
    victim.unlink()
    victim.write_bytes(b"not a jar")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:1")
    jars.class_path.cache_clear()
    try:
        with pytest.raises(DevstackError, match="could not fetch"):
            jars.class_path()
    finally:
        jars.class_path.cache_clear()


def test_a_cache_that_cannot_be_written_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    jars.class_path.cache_clear()
    try:
        with pytest.raises(DevstackError, match=f"cannot be kept in .*{os.strerror(errno.ENOTDIR)}"):
            jars.class_path()
    finally:
        jars.class_path.cache_clear()


def test_three_brokers_serve_while_one_is_away(tmp_path: Path) -> None:
    cluster = Brokers(tmp_path / "three", 3)
    try:
        cluster.start()
        cluster.nodes[0].kill()
        cluster.nodes[0].start()
        cluster.stop()
        assert all(is_free(node.port) for node in cluster.nodes)
        Brokers(tmp_path / "three", 3).nodes[0].end_leftover()
        cluster.start()
    finally:
        cluster.stop()


def test_an_interrupt_reaches_no_server(server: Postgres) -> None:
    """A terminal's Ctrl-C goes to the whole foreground group; the servers are in groups of their own."""
    server.start()
    assert server.child
    assert os.getpgid(server.child.pid) != os.getpgid(0)
    assert server.child.running
    assert server.child.process.poll() != -signal.SIGINT
