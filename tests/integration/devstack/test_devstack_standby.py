"""A standby server: copied, fed, promoted, and an old primary that comes back as a standby."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from devstack.postgresql.postgres import Postgres
from devstack.postgresql.standby import Standby

SECONDS = 60.0


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "it's a folder"


@pytest.fixture
def primary(folder: Path) -> Iterator[Postgres]:
    """A server with an empty table ``written``."""
    server = Postgres(folder / "primary")
    server.start()
    server.query("CREATE TABLE written (number int)")
    yield server
    server.kill()


@pytest.fixture
def standby(folder: Path, primary: Postgres) -> Iterator[Standby]:
    server = Standby(folder / "standby", primary)
    server.start()
    yield server
    server.kill()


def write(primary: Postgres, number: int) -> None:
    primary.query(f"INSERT INTO written VALUES ({number})")


def eventually_holds(server: Postgres, number: int) -> None:
    deadline = time.monotonic() + SECONDS
    while server.query(f"SELECT count(*) FROM written WHERE number = {number}") != "1":
        assert time.monotonic() < deadline, "it was not replicated in time"
        time.sleep(0.05)


def test_a_standby_catches_up_after_sigkill_and_after_a_pause(primary: Postgres, standby: Standby) -> None:
    write(primary, 1)
    eventually_holds(standby, 1)
    standby.kill()
    write(primary, 2)
    standby.start()
    eventually_holds(standby, 2)
    standby.pause()
    write(primary, 3)
    standby.resume()
    eventually_holds(standby, 3)
    assert standby.lag_bytes() >= 0


def test_a_half_made_copy_is_made_again_and_one_left_running_makes_way(folder: Path, primary: Postgres) -> None:
    left = Standby(folder / "another", primary, name="another")
    (left.data_dir / "cluster.partial").mkdir(parents=True)
    try:
        left.start()
        successor = Standby(folder / "another", primary, name="another")
        successor.start()
        assert left.child
        assert not left.child.running
        successor.stop()
    finally:
        left.kill()
    assert not (left.data_dir / "cluster.partial").exists()


def test_a_promoted_standby_has_what_was_committed_and_the_old_primary_comes_back(
    primary: Postgres, standby: Standby
) -> None:
    standby.make_synchronous()
    write(primary, 4)
    primary.kill()
    standby.promote()
    assert standby.query("SELECT count(*) FROM written WHERE number = 4") == "1"
    write(standby, 5)
    standby.restart()
    write(standby, 6)

    returned = Standby(primary.data_dir, standby, name="returned", port=primary.port)
    try:
        returned.rewind()
        returned.start()
        eventually_holds(returned, 6)
        assert returned.query("SELECT pg_is_in_recovery()") == "t"
        write(standby, 7)
        eventually_holds(returned, 7)
    finally:
        returned.kill()
