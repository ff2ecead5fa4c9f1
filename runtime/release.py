"""Which Headgate this is: the version, and the commit that it was made from."""

import subprocess
from functools import cache
from importlib.metadata import version as version_of
from pathlib import Path

_ROOT = Path(__file__).parents[1]
# `git archive` fills it in (.gitattributes), so do the Dockerfile and whoever builds a release.
_COMMIT = Path(__file__).with_name("commit.txt")


@cache
def version() -> str:
    """Of this installation; to look it up takes longer than to fill a page, or than a heartbeat."""
    return version_of("headgate")


def described() -> str:
    """Version and commit for people; the version alone where nobody knows the commit."""
    commit = written(_COMMIT) or of_checkout(_ROOT)
    return f"{version()} ({commit})" if commit else version()


def written(file: Path) -> str:
    """Twelve digits of the commit that the file names; none where nobody filled it in."""
    text = file.read_text().strip()
    return "" if text.startswith("$") else text[:12]


def of_checkout(root: Path) -> str:
    """The commit of a git checkout, with `-dirty` where files were changed since; none if it is no checkout itself."""
    if not (root / ".git").exists():
        return ""
    command = ["git", "-C", str(root), "describe", "--always", "--dirty", "--abbrev=12", "--exclude=*"]
    try:
        return subprocess.run(command, capture_output=True, text=True, timeout=10, check=True).stdout.strip()
    except (OSError, subprocess.SubprocessError):  # no git, or a checkout that git does not trust
        return ""
