"""The commit of a release: out of an archive, out of a checkout, and of none."""

import subprocess
import tarfile
from pathlib import Path

import pytest

from runtime.release import of_checkout, written
from tests.support.commands import ROOT


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A repository of one commit, with this one's file for the commit and its attributes."""
    root = tmp_path / "checkout"
    (root / "runtime").mkdir(parents=True)
    for name in (".gitattributes", "runtime/commit.txt"):
        (root / name).write_bytes((ROOT / name).read_bytes())
    git(root, "init", "--quiet")
    git(root, "add", ".")
    git(root, "-c", "user.name=ada", "-c", "user.email=ada@example.org", "commit", "--quiet", "--message=first")
    return root


def git(root: Path, *arguments: str) -> str:
    command = ["git", "-C", str(root), *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=True).stdout.strip()


def test_a_checkout_knows_its_commit_and_says_what_was_changed_since(checkout: Path) -> None:
    commit = git(checkout, "rev-parse", "HEAD")[:12]
    assert of_checkout(checkout) == commit
    (checkout / "runtime/commit.txt").write_text("changed")
    assert of_checkout(checkout) == f"{commit}-dirty"


def test_an_archive_has_it_in_a_file(checkout: Path, tmp_path: Path) -> None:
    git(checkout, "archive", f"--output={tmp_path}/archive.tar", "HEAD")
    with tarfile.open(tmp_path / "archive.tar") as archive:
        archive.extract("runtime/commit.txt", tmp_path, filter="data")
    assert written(tmp_path / "runtime/commit.txt") == git(checkout, "rev-parse", "HEAD")[:12]


def test_a_file_that_nobody_filled_in_names_none(checkout: Path) -> None:
    assert written(checkout / "runtime/commit.txt") == ""


def test_what_lies_in_a_repository_of_somebody_else_has_no_commit(checkout: Path) -> None:
    assert of_checkout(checkout / "runtime") == ""
