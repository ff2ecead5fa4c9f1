"""PostgreSQL 18 from a wheel, on loopback, without root and as root."""

import contextlib
import signal
from collections.abc import Mapping
from pathlib import Path

import psutil

from devstack.child import spawn
from devstack.ports import HOST, free_port
from devstack.postgresql.initdb import ROLE, SUPERUSER, command, create_cluster, refuse_other_version, run
from devstack.server import Server


class Postgres(Server):
    """One server in one data folder; the role and the database ``headgate`` (password the same) are made with it.

    ``options`` are server settings, such as ``{"fsync": "off"}``.
    """

    _ready = "database system is ready to accept"  # "connections", and a standby "read-only connections"
    _ready_seconds = 60.0
    _stop_signal = signal.SIGINT  # a fast shutdown: roll back, checkpoint, end

    def __init__(
        self, data_dir: Path, *, port: int = 0, options: Mapping[str, str] | None = None, log: Path | None = None
    ) -> None:
        super().__init__(data_dir, name="PostgreSQL", port=port, log=log or data_dir / "postgres.log")
        self.options = dict(options or {})
        self._cluster = self.data_dir / "cluster"
        self._password = self.data_dir / "superuser-password"

    def launch(self) -> None:
        """Create the cluster if there is none and start the server."""
        self.data_dir.mkdir(parents=True, exist_ok=True)
        if not self._cluster.exists():
            self._create()
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
        self.child = spawn(
            [*command("postgres", when_orphaned=self._stop_signal), "-D", self._cluster, *flags],
            name=self.name,
            log=self.log,
        )

    def url(self, database: str = ROLE) -> str:
        """For SQLAlchemy's async engine, as the role that owns the database ``headgate`` and may create others."""
        return f"postgresql+asyncpg://{ROLE}:{ROLE}@{HOST}:{self.port}/{database}"

    def admin_url(self, database: str = "postgres") -> str:
        """The same as superuser ``postgres``; its password was drawn when the cluster was made."""
        return f"postgresql+asyncpg://{SUPERUSER}:{self.password()}@{HOST}:{self.port}/{database}"

    def password(self) -> str:
        """The superuser's."""
        return self._password.read_text().strip()

    def query(self, *statements: str) -> str:
        """Run them as superuser, each a transaction of its own; returns the values of their rows, one row a line."""
        address = f"host={HOST} port={self.port} user={SUPERUSER} dbname=postgres"
        options = ("--quiet", "--no-psqlrc", "--tuples-only", "--no-align", "--set=ON_ERROR_STOP=1")
        return run("psql", *options, address, sql=statements, password=self.password())

    def _create(self) -> None:
        create_cluster(self._cluster, self._password)

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
