"""A base backup with archived WAL, and a server that is restored from it: what docs/operations.md tells to do."""

import subprocess
from pathlib import Path

from devstack.ports import HOST
from devstack.postgresql.initdb import SUPERUSER, give_away, run
from devstack.postgresql.postgres import Postgres


def archiving(folder: Path) -> Postgres:
    """A server, not started, that archives its WAL into ``folder/wal``."""
    archive = folder / "wal"
    archive.mkdir(parents=True)
    give_away(archive)
    command = f"test ! -f '{archive}/%f' && cp '%p' '{archive}/%f'"
    return Postgres(folder / "primary", options={"archive_mode": "on", "archive_command": command})


def take(server: Postgres, folder: Path) -> None:
    """A base backup in ``folder/base``. The wheel's pg_verifybackup crashes on any folder: the restore is the check."""
    backup = folder / "base"
    backup.mkdir(mode=0o700)
    give_away(backup)
    address = f"host={HOST} port={server.port} user={SUPERUSER}"
    run("pg_basebackup", "-d", address, "-D", str(backup), "--checkpoint=fast", password=server.password())


def archived(server: Postgres) -> None:
    """Begin a new WAL file, so that all that is committed gets into the archive when the server stops."""
    server.query("SELECT pg_switch_wal()")


def restored(folder: Path, name: str, *, password_of: Postgres, until: str = "") -> Postgres:
    """A server, not started, from ``folder/base`` and ``folder/wal``, up to a time or to the end of the archive."""
    server = Postgres(folder / name)
    server.data_dir.mkdir(parents=True)
    cluster = server.data_dir / "cluster"
    subprocess.run(["cp", "-a", folder / "base", cluster], check=True)
    settings = {"restore_command": f"cp '{folder}/wal/%f' '%p'", "recovery_target_action": "promote"}
    if until:
        settings["recovery_target_time"] = until
    lines = (f"{setting} = '{value.replace(chr(39), chr(39) * 2)}'\n" for setting, value in settings.items())
    with (cluster / "postgresql.auto.conf").open("a") as file:
        file.writelines(lines)
    _write(cluster / "recovery.signal", "")
    _write(server.data_dir / "superuser-password", password_of.password())
    return server


def _write(file: Path, text: str) -> None:
    file.write_text(text)
    give_away(file)
