"""Has Java remember the broker's classes, once for each user: every later start takes half the time."""

import os
import shutil
import tempfile
from pathlib import Path

from devstack.kafka.broker import Broker
from devstack.kafka.jars import cache_dir, one_at_a_time
from devstack.kafka.java import loaded_classes

# Java writes its classes on exit, with both cores, for some seconds; more on a machine that is busy.
_EXIT_SECONDS = 300.0


def remember_classes() -> None:
    """Run a broker once, for nothing but the classes that it loads."""
    target = loaded_classes()
    with one_at_a_time(cache_dir() / "classes"):
        if target.is_file():
            return
        for abandoned in target.parent.glob("classes-*/"):
            shutil.rmtree(abandoned, ignore_errors=True)
        with tempfile.TemporaryDirectory(dir=target.parent, prefix="classes-") as scratch:
            _train(Path(scratch), target)


def remembers_classes() -> bool:
    """Whether Java remembers the classes already."""
    return loaded_classes().is_file()


def _train(scratch: Path, target: Path) -> None:
    written = scratch / target.name
    # With the optimiser, whatever the environment says: what is kept serves every later start.
    broker = Broker(scratch / "broker", java_flags=[f"-XX:AOTCacheOutput={written}", "-XX:TieredStopAtLevel=4"])
    try:
        broker.start()
        broker.stop(seconds=_EXIT_SECONDS)
    finally:
        broker.kill()
    if written.is_file():
        written.replace(target)


if __name__ == "__main__":  # in the background of a first `make run`: behind everything else
    os.nice(19)
    remember_classes()
