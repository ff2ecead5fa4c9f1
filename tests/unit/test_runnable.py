"""scripts/runnable, before `headgate run`: something is said at once, and nothing where nothing is to do."""

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.support.commands import ROOT

# Says which version it is, that all is there where it is, and otherwise what it was asked to do.
UV = """#!/bin/sh
case "$*" in
    --version) sed -n 's/^version=/uv /p' scripts/uv ;;
    *--check*) test -e "{complete}" ;;
    *) echo "uv $*" ;;
esac
"""


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    folder = tmp_path / "a clone"
    shutil.copytree(ROOT / "scripts", folder / "scripts")
    programs = tmp_path / "bin"
    programs.mkdir()
    (programs / "uv").write_text(UV.format(complete=tmp_path / "complete"))
    (programs / "uv").chmod(0o755)
    return folder


def said(clone: Path) -> list[str]:
    path = f"{clone.parent / 'bin'}:/usr/bin:/bin"
    done = subprocess.run(
        [clone / "scripts" / "runnable"], env={"PATH": path}, capture_output=True, text=True, timeout=60, check=True
    )
    return done.stdout.splitlines()


def install(clone: Path) -> None:
    (clone / ".venv" / "bin").mkdir(parents=True)
    (clone / ".venv" / "bin" / "headgate").write_text("#!/bin/sh\n")
    (clone / ".venv" / "bin" / "headgate").chmod(0o755)


def test_what_is_fetched_is_said_before_it_is(clone: Path) -> None:
    first, second = said(clone)
    assert first.startswith("Headgate's packages are fetched, once: ")
    assert "MB" in first
    assert second == "uv sync --frozen --inexact --no-default-groups --group devstack --quiet"


def test_what_is_not_whole_any_more_is_mended(clone: Path) -> None:
    install(clone)
    assert len(said(clone)) == 2


def test_nothing_is_said_where_all_is_there(clone: Path) -> None:
    install(clone)
    (clone.parent / "complete").touch()
    assert said(clone) == []
