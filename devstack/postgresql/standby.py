"""A standby server: a streaming replica of a PostgreSQL of this stack, which can take the primary's place."""

import shutil
import time
from collections.abc import Mapping
from pathlib import Path

from devstack.errors import DevstackError
from devstack.ports import HOST
from devstack.postgresql.initdb import SUPERUSER, give_away, run
from devstack.postgresql.postgres import Postgres

_STREAMING_SECONDS = 60.0
# How long it waits before it asks again for WAL from where there is none; a promotion waits as long. Default: 5 s.
_RETRY = {"wal_retrieve_retry_interval": "200ms"}


class Standby(Postgres):
    """Copied from a running ``primary`` when it starts first, then fed by it; asynchronous unless made synchronous.

    ``name`` is its ``application_name`` and its replication slot at the primary, which keeps the WAL that a standby
    that is away has not got yet. After ``promote`` it is a primary, on every later start too.

    >>> Standby(old.data_dir, new_primary, port=old.port).rewind()  # before its start: an old primary comes back
    """

    def __init__(
        self,
        data_dir: Path,
        primary: Postgres,
        *,
        name: str = "standby",
        port: int = 0,
        options: Mapping[str, str] | None = None,
        log: Path | None = None,
    ) -> None:
        super().__init__(data_dir, port=port, options={**_RETRY, **(options or {})}, log=log)
        self.name = f"PostgreSQL {name}"
        self.primary = primary
        self.slot = name
        self._passfile = self.data_dir / "primary-password"

    def launch(self) -> None:
        """Copy the primary if there is no copy yet and start the server."""
        self.data_dir.mkdir(parents=True, exist_ok=True)
        # At each start, for the primary may have another port than the last time.
        self._write_secrets()
        self.options |= {"primary_conninfo": self._primary_conninfo(), "primary_slot_name": self.slot}
        super().launch()

    def promote(self) -> None:
        """Make it a primary, on a timeline of its own, that waits for no standby; returns when it takes writes."""
        self.query("ALTER SYSTEM RESET synchronous_standby_names", "SELECT pg_reload_conf()", "SELECT pg_promote()")

    def make_synchronous(self) -> None:
        """From now on a commit at the primary is answered when it is on this standby's disk too."""
        self._wait_streaming("true")
        self.primary.query(f"ALTER SYSTEM SET synchronous_standby_names = '{self.slot}'", "SELECT pg_reload_conf()")
        self._wait_streaming("sync_state = 'sync'")

    def lag_bytes(self) -> int:
        """WAL that the primary has written and that cannot be read here yet."""
        replayed = self.query("SELECT pg_last_wal_replay_lsn()")
        return int(self.primary.query(f"SELECT pg_wal_lsn_diff(pg_current_wal_lsn(), '{replayed}')"))

    def rewind(self) -> None:
        """Turn the stopped or killed server on this data, once a primary, into a standby of the new ``primary``.

        What it had committed and the new primary never got is gone.
        """
        self.end_leftover()
        self._write_secrets()
        self._create_slot()
        run("pg_rewind", "-D", str(self._cluster), "--source-server", f"{self._primary_conninfo()} dbname=postgres",
            "--write-recovery-conf")  # fmt: skip

    def _create(self) -> None:
        """Into a folder beside, renamed when whole: an interrupted copy leaves nothing half."""
        self._create_slot()
        partial = self._cluster.with_name(f"{self._cluster.name}.partial")
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir(mode=0o700)
        give_away(partial)
        run("pg_basebackup", "-d", self._primary_conninfo(), "-D", str(partial), f"--slot={self.slot}",
            "--write-recovery-conf", "--checkpoint=fast")  # fmt: skip
        partial.rename(self._cluster)

    def _create_slot(self) -> None:
        slot = f"'{self.slot}'"
        self.primary.query(
            f"SELECT pg_create_physical_replication_slot({slot}, true) "
            f"WHERE NOT EXISTS (SELECT FROM pg_replication_slots WHERE slot_name = {slot})"
        )

    def _write_secrets(self) -> None:
        """The superuser's password, which a copy has in common with its primary, as text and as libpq reads it."""
        password = self.primary.password()
        line = f"{HOST}:*:*:{SUPERUSER}:{password}"
        for file, content in ((self._password, password), (self._passfile, line)):
            file.touch(mode=0o600)
            file.write_text(f"{content}\n")
            give_away(file)

    def _primary_conninfo(self) -> str:
        passfile = str(self._passfile).replace("\\", r"\\").replace("'", r"\'")
        return (
            f"host={HOST} port={self.primary.port} user={SUPERUSER} passfile='{passfile}' application_name={self.slot}"
        )

    def _wait_streaming(self, condition: str) -> None:
        at = f"application_name = '{self.slot}' AND {condition}"
        query = f"SELECT count(*) FROM pg_stat_replication WHERE {at}"
        deadline = time.monotonic() + _STREAMING_SECONDS
        while self.primary.query(query) != "1":
            if time.monotonic() > deadline:
                raise DevstackError(f"{self.name} does not stream from its primary; see {self.log}")
            time.sleep(0.1)
