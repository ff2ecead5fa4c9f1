"""Which `make run` owns a data folder, and where its services listen: commands in another terminal find it by this."""

import fcntl
import os
from collections.abc import Mapping
from pathlib import Path
from typing import IO

from dotenv import dotenv_values

from devstack.errors import DevstackError

_LOCK = "lock"
_ADDRESSES = "addresses.env"


def claim(data_dir: Path) -> IO[str]:
    """Own the data folder for as long as the returned file is open; the system lets go when the process dies.

    Raises DevstackError if another process owns it, or nothing can be written there.
    """
    try:
        data_dir.mkdir(parents=True, exist_ok=True)
        lock = (data_dir / _LOCK).open("a+")
    except OSError as error:
        raise DevstackError(f"{data_dir} (HEADGATE_DATA_DIR) cannot be used: {error.strerror}") from error
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        lock.seek(0)
        owner = lock.read().strip() or "unknown"
        lock.close()
        raise DevstackError(
            f"{data_dir} is in use by another `make run` (process {owner}): stop that one, or set HEADGATE_DATA_DIR"
        ) from error
    withdraw(data_dir)  # what a killed owner left
    lock.truncate(0)
    lock.write(str(os.getpid()))
    lock.flush()
    return lock


def publish(data_dir: Path, addresses: Mapping[str, str]) -> None:
    """Write the settings under which the services of this stack are found."""
    partial = data_dir / f"{_ADDRESSES}.partial"
    partial.touch(mode=0o600)
    partial.write_text("".join(f"{name}={value}\n" for name, value in addresses.items()))
    partial.replace(data_dir / _ADDRESSES)


def withdraw(data_dir: Path) -> None:
    """What was published is not in force any more."""
    (data_dir / _ADDRESSES).unlink(missing_ok=True)


def of_running_stack(data_dir: Path) -> dict[str, str]:
    """What was published, if its owner lives; else nothing."""
    if not (data_dir / _ADDRESSES).is_file() or not _is_claimed(data_dir):
        return {}
    return {name: value for name, value in dotenv_values(data_dir / _ADDRESSES).items() if value}


def _is_claimed(data_dir: Path) -> bool:
    try:
        with (data_dir / _LOCK).open("a") as lock:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False
