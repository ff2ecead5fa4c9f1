"""Which tests run beside each other, how many at a time, in which order, and how long each tier took.

Tests of a file share what it has started, most of the browser's one browser and one stack; searches of the model share
nothing. What waits longest begins first, so that what keeps a core busy is left to fill the end.
"""

import os
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import psutil
import pytest
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling

# Folders of tests/, in the order in which they begin.
TIERS = ("browser", "pipeline", "recipes", "integration", "deploy", "contract", "chaos", "model", "unit")
# They start nothing that they would wait for.
_BUSY = ("tests/unit", "tests/model")
# One process, stack or search each, and nothing that is shared.
_ALONE = (
    "tests/model/",
    "tests/unit/cli/test_cli.py",
    "tests/pipeline/test_secured.py",
    "tests/integration/cli/test_run.py",
)
# A stack of their own, and a minute or two of waiting for it.
_STACKS = ("tests/browser/view/test_outages.py", "tests/browser/view/test_several.py")
# What runs one after the other for minutes, so that it does not run alone in the end.
_LONGEST = ("tests/browser/", "tests/pipeline/test_readme.py", "tests/integration/cli/test_run.py")
# A PostgreSQL, a broker, and for some tests a stack with two more brokers; a search of the model takes less.
_BYTES_EACH = 3 << 30


def at_a_time(arguments: Sequence[str], *, cores: int, memory: int) -> int:
    """How many tests run beside each other: one for each core, six for two cores where many wait."""
    busy = arguments and all(argument.startswith(_BUSY) for argument in arguments)
    return max(1, min(cores if busy else cores * 3, memory // _BYTES_EACH))


def together(nodeid: str) -> str:
    """What runs one after the other in one process, as this test does."""
    file = nodeid.partition("::")[0]
    if file.startswith(_ALONE):
        return nodeid
    return "tests/browser" if file.startswith("tests/browser/") and file not in _STACKS else file


def tier(nodeid: str) -> str:
    """The folder of tests/ that it is in."""
    return nodeid.split("/")[1] if nodeid.startswith("tests/") else ""


class _Scheduling(LoadScopeScheduling):
    def _split_scope(self, nodeid: str) -> str:
        return together(nodeid)


@dataclass
class _Spent:
    """Seconds from a tier's first test to the end of its last, and in its tests."""

    begun: float
    ended: float
    tests: int = 0
    inside: float = 0.0


class Clock:
    """How long each tier takes, by the reports of its tests."""

    def __init__(self) -> None:
        self._tiers: dict[str, _Spent] = {}
        self._begun = time.time()

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        spent = self._tiers.setdefault(tier(report.nodeid), _Spent(report.start, report.stop))
        spent.begun, spent.ended = min(spent.begun, report.start), max(spent.ended, report.stop)
        spent.tests += report.when == "call"
        spent.inside += report.duration

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        if len(self._tiers) < 2:
            return
        terminalreporter.section("how long each tier took")
        for line in self.lines():
            terminalreporter.write_line(line)

    def lines(self) -> Iterator[str]:
        """One for each tier, in the order in which they began."""
        for name, spent in sorted(self._tiers.items(), key=lambda item: item[1].begun):
            begun, ended = (moment - self._begun for moment in (spent.begun, spent.ended))
            yield f"{name:12} {spent.tests:5} tests {spent.inside:7.0f} s in them, from {begun:.0f} s to {ended:.0f} s"


def pytest_configure(config: pytest.Config) -> None:
    if not hasattr(config, "workerinput"):
        config.pluginmanager.register(Clock(), "clock")


def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return at_a_time(config.args, cores=cores, memory=psutil.virtual_memory().total)


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> LoadScopeScheduling:
    return _Scheduling(config, log)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    order = {name: place for place, name in enumerate(TIERS)}
    items.sort(key=lambda item: (not item.nodeid.startswith(_LONGEST), order.get(tier(item.nodeid), len(TIERS))))
