"""A forked program is a process like any other: its own environment, output, signals and end."""

import os
import signal
import subprocess
from pathlib import Path

import psutil
import pytest

from tests.support.forked import Forked, forked, headgate


def test_it_says_what_a_python_of_its_own_says_and_ends_as_that_does(tmp_path: Path) -> None:
    environment = {**os.environ, "LOG_LEVEL": "LOUD"}
    good = forked(["cli", "--version"], name="good", log=tmp_path / "good.log", env=environment)
    bad = forked(["gateway"], name="bad", log=tmp_path / "bad.log", env=environment)
    assert (good.process.wait(60), good.output()[:9]) == (0, "headgate ")
    assert bad.process.wait(60) == 1
    assert "log_level" in bad.output()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_a_signal_ends_it_and_nobody_else(tmp_path: Path, number: signal.Signals) -> None:
    endless = ["http.server", "0", "--bind", "127.0.0.1"]
    one, other = (Forked(endless, env=os.environ, log=tmp_path / f"{place}.log") for place in range(2))
    try:
        with pytest.raises(subprocess.TimeoutExpired):
            one.wait(0)
        one.send_signal(number)
        assert one.wait(60) == one.poll() == -number
        assert other.poll() is None
        assert psutil.Process(other.pid).status() != psutil.STATUS_ZOMBIE
    finally:
        other.send_signal(signal.SIGKILL)
        other.wait(60)


def test_a_command_has_its_settings_its_folder_and_two_streams(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("KAFKA_PREFIX=from-the-folder.\n")
    shown = headgate("config", env={"GATEWAY_PORT": "4321"}, cwd=tmp_path)
    assert (shown.returncode, shown.stderr) == (0, "")
    assert "from-the-folder." in shown.stdout
    assert "4321" in shown.stdout
    refused = headgate("config", env={"GATEWAY_PORT": "none"}, cwd=tmp_path)
    assert (refused.returncode, refused.stdout) == (1, "")
    assert "GATEWAY_PORT" in refused.stderr
    assert "GATEWAY_PORT" not in os.environ


def test_a_command_that_takes_too_long_is_ended() -> None:
    with pytest.raises(subprocess.TimeoutExpired):
        headgate("worker", "metrics", env={"KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:1"}, seconds=0.2)
