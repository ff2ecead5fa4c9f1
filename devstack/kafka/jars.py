"""The broker's jars: pinned by checksum, fetched once for each user, never resolved at run time.

``kafka.lock`` lists the whole class path in order. ``python -m devstack.kafka.jars`` writes it anew, from the network.
"""

import errno
import fcntl
import functools
import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING

from devstack.errors import DevstackError

if TYPE_CHECKING:
    from jgo.maven import MavenContext

KAFKA_VERSION = "4.4.0"
# The published broker brings no slf4j binding, and without one its log is empty.
_ROOTS = (f"org.apache.kafka:kafka_2.13:{KAFKA_VERSION}", "org.slf4j:slf4j-simple:1.7.36")
_LOCK_FILE = Path(__file__).with_name("kafka.lock")
_PARALLEL_DOWNLOADS = 8


@dataclass(frozen=True)
class Jar:
    """One Maven artefact and the SHA-256 of its bytes."""

    group: str
    artifact: str
    version: str
    sha256: str

    @property
    def file_name(self) -> str:
        return f"{self.artifact}-{self.version}.jar"


def cache_dir() -> Path:
    """Where downloads are kept for this user; ``XDG_CACHE_HOME`` moves it (XDG base directory specification)."""
    root = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(root) / "headgate"


@functools.cache
def class_path() -> str:
    """The broker's class path, complete and verified; downloads what is missing.

    Raises DevstackError if something cannot be fetched, stored, or is not what the lock file says.
    """
    jars = _locked()
    folder = _folder()
    try:
        with one_at_a_time(folder):
            if not all(_intact(jar, folder / jar.file_name) for jar in jars):
                _fill(folder, jars)
    except OSError as error:
        raise DevstackError(f"the broker's jars cannot be kept in {folder}: {error.strerror}") from error
    return os.pathsep.join(str(folder / jar.file_name) for jar in jars)


def is_cached() -> bool:
    """Whether ``class_path`` will not download, unless a file was damaged."""
    return _folder().is_dir()


def _folder() -> Path:
    return cache_dir() / f"kafka-{KAFKA_VERSION}-{_digest(_LOCK_FILE)[:12]}"


@contextmanager
def one_at_a_time(target: Path) -> Iterator[IO[str]]:
    """Two clones that start for the first time together do the work once."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with target.with_name(f"{target.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield lock


def _fill(folder: Path, jars: list[Jar]) -> None:
    """Download into a folder beside, and put it in place whole: an interrupted download leaves nothing half."""
    from jgo.maven import MavenContext  # slow to import, and needed at the first start alone

    for abandoned in folder.parent.glob("download-*"):
        shutil.rmtree(abandoned, ignore_errors=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix="download-") as scratch:
        whole = Path(scratch) / "jars"
        whole.mkdir()
        maven = MavenContext(repo_cache=Path(scratch) / "maven")
        with ThreadPoolExecutor(_PARALLEL_DOWNLOADS) as pool:
            try:
                for done in [pool.submit(_fetch, jar, maven, whole) for jar in jars]:
                    done.result()
            finally:
                pool.shutdown(cancel_futures=True)
        shutil.rmtree(folder, ignore_errors=True)
        whole.rename(folder)


def _fetch(jar: Jar, maven: "MavenContext", folder: Path) -> None:
    try:
        path = maven.project(jar.group, jar.artifact).at_version(jar.version).artifact().resolve()
    except (OSError, RuntimeError) as error:  # requests' errors are OSErrors, jgo's own are RuntimeErrors
        if isinstance(error, OSError) and error.errno in {errno.ENOSPC, errno.EDQUOT}:
            raise
        raise DevstackError(
            f"could not fetch {jar.group}:{jar.artifact}:{jar.version} from Maven Central "
            f"(needed once, for the Kafka broker): {_innermost(error)}"
        ) from error
    if _digest(path) != jar.sha256:
        raise DevstackError(f"{jar.file_name} as downloaded is not the one in {_LOCK_FILE.name}: its checksum differs")
    path.rename(folder / jar.file_name)


def _innermost(error: BaseException) -> str:
    cause = error
    while cause.__cause__ or cause.__context__:
        cause = cause.__cause__ or cause.__context__ or cause
    return str(cause) or type(cause).__name__


def _intact(jar: Jar, path: Path) -> bool:
    return path.is_file() and _digest(path) == jar.sha256


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _locked() -> list[Jar]:
    lines = _LOCK_FILE.read_text().splitlines()
    return [_jar(*line.split()) for line in lines]


def _jar(sha256: str, coordinate: str) -> Jar:
    group, artifact, version = coordinate.split(":")
    return Jar(group, artifact, version, sha256)


def _write_lock() -> None:
    import jgo  # the resolver proper is slow to import, and needed here alone

    found = jgo.resolve("+".join(_ROOTS))
    _LOCK_FILE.write_text("".join(f"{_digest(a.resolve())}  {a.groupId}:{a.artifactId}:{a.version}\n" for a in found))


if __name__ == "__main__":
    _write_lock()
