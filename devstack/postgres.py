"""PostgreSQL 18 from a wheel, on loopback, without root and as root."""

import contextlib
import signal
from collections.abc import Mapping
from pathlib import Path

import psutil

from devstack.child import Child, spawn
from devstack.initdb import ROLE, SUPERUSER, command, create_cluster, refuse_other_version
from devstack.ports import HOST, free_port

_READY = "database system is ready to accept connections"


class Postgres:
    """One server in one data folder; the role and the database ``headgate`` (password the same) are made with it.

    Blocking; from async code use ``asyncio.to_thread``. ``port`` 0 picks a free one, which then stays.
    ``options`` are server settings, such as ``{"fsync": "off"}``.
    """

    def __init__(
        self, data_dir: Path, *, port: int = 0, options: Mapping[str, str] | None = None, log: Path | None = None
    ) -> None:
        self.data_dir = data_dir.absolute()
        self.port = port
        self.options = dict(options or {})
        self.log = log or self.data_dir / "postgres.log"
        self.child: Child | None = None
        self._cluster = self.data_dir / "cluster"
        self._password = self.data_dir / "superuser-password"

    def start(self) -> None:
        """Create the cluster if there is none, start the server, return when it accepts connections."""
        self.launch()
        self.wait_ready()

    def launch(self) -> None:
        """The part of ``start`` that does not wait for the server."""
        self.data_dir.mkdir(parents=True, exist_ok=True)
        if not self._cluster.exists():
            create_cluster(self._cluster, self._password)
        refuse_other_version(self._cluster)
        self.end_leftover()
        self.port = self.port or free_port()
        settings = {
            "listen_addresses": HOST,
            "port": str(self.port),
            "unix_socket_directories": "",  # TCP alone: a socket's path is limited to 107 bytes
            "max_connections": "200",
            "logging_collector": "off",
            "timezone": "UTC",
            **self.options,
        }
        flags = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        # SIGINT is a fast shutdown: roll back, checkpoint, end.
        self.child = spawn(
            [*command("postgres", when_orphaned=signal.SIGINT), "-D", self._cluster, *flags],
            name="PostgreSQL",
            log=self.log,
        )

    def wait_ready(self, *, seconds: float = 60.0) -> None:
        child = self._running_child()
        child.wait_until(lambda: _READY in child.output(), seconds=seconds)

    def stop(self) -> None:
        """Fast shutdown; open transactions are rolled back."""
        if self.child:
            self.child.signal_all(signal.SIGCONT)
            self.child.stop(signal.SIGINT)
            self.child = None

    def kill(self) -> None:
        """SIGKILL to every process of the server, as in a crash of the machine that keeps its disk."""
        if self.child:
            self.child.kill()
            self.child = None

    def restart(self) -> None:
        self.stop()
        self.start()

    def pause(self) -> None:
        """SIGSTOP to every process of the server: connections stay open and nothing answers."""
        self._running_child().signal_all(signal.SIGSTOP)

    def resume(self) -> None:
        self._running_child().signal_all(signal.SIGCONT)

    def url(self, database: str = ROLE) -> str:
        """For SQLAlchemy's async engine, as the role that owns the database ``headgate`` and may create others."""
        return f"postgresql+asyncpg://{ROLE}:{ROLE}@{HOST}:{self.port}/{database}"

    def admin_url(self, database: str = "postgres") -> str:
        """The same as superuser ``postgres``; its password was drawn when the cluster was made."""
        password = self._password.read_text().strip()
        return f"postgresql+asyncpg://{SUPERUSER}:{password}@{HOST}:{self.port}/{database}"

    def _running_child(self) -> Child:
        if self.child is None:
            raise RuntimeError("PostgreSQL is not started")
        return self.child

    def end_leftover(self) -> None:
        """Make way: a server left over by a killed parent is ended, a lock file of one that is gone is removed."""
        lock = self._cluster / "postmaster.pid"
        with contextlib.suppress(FileNotFoundError, ValueError, IndexError, psutil.NoSuchProcess):
            process = psutil.Process(int(lock.read_text().split()[0]))
            if str(self._cluster) in process.cmdline():
                backends = process.children()
                process.send_signal(signal.SIGINT)
                process.wait(15)
                psutil.wait_procs(backends, 5)
                return
            lock.unlink()
