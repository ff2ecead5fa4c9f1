"""A forked program is a process like any other: its own environment, output, signals and end."""

import os
import signal
import subprocess
from pathlib import Path

import psutil
import pytest

from tests.support.forked import Forked, forked


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
