"""How the tests are spread over cores, and what is said of it in the end."""

from types import SimpleNamespace
from typing import Any

import pytest

from tests.support.commands import ROOT
from tests.support.spread import TIERS, Clock, at_a_time, pytest_collection_modifyitems, together

GIBIBYTE = 1 << 30


@pytest.mark.parametrize(
    ("arguments", "cores", "gibibytes", "number"),
    [
        (["tests"], 2, 24, 6),
        (["tests/unit"], 2, 24, 2),
        (["tests/unit/cli", "tests/model"], 8, 64, 8),
        (["tests/unit", "tests/pipeline"], 2, 24, 6),
        (["tests"], 8, 7, 2),
        (["tests"], 8, 2, 1),
    ],
)
def test_cores_and_memory_say_how_many(arguments: list[str], cores: int, gibibytes: int, number: int) -> None:
    assert at_a_time(arguments, cores=cores, memory=gibibytes * GIBIBYTE) == number


def test_what_is_shared_is_started_once_and_searches_run_side_by_side() -> None:
    assert together("tests/unit/test_rooms.py::test_a") == together("tests/unit/test_rooms.py::test_b[x]")
    assert together("tests/browser/view/test_a.py::test_a") == together("tests/browser/view/test_b.py::test_b")
    assert together("tests/browser/view/test_a.py::test_a") != together("tests/browser/view/test_outages.py::test_b")
    assert together("tests/model/test_model.py::test_a[1]") != together("tests/model/test_model.py::test_a[2]")


def test_what_waits_begins_before_what_computes() -> None:
    items: list[Any] = [SimpleNamespace(nodeid=f"tests/{name}/test_x.py::test_y") for name in sorted(TIERS)]
    pytest_collection_modifyitems(items)
    assert [item.nodeid.split("/")[1] for item in items] == list(TIERS)


def test_what_takes_minutes_does_not_run_alone_in_the_end() -> None:
    paths = ("browser/view/test_a.py", "pipeline/test_a.py", "pipeline/test_readme.py", "integration/cli/test_run.py")
    items: list[Any] = [SimpleNamespace(nodeid=f"tests/{path}::test_y") for path in paths]
    pytest_collection_modifyitems(items)
    assert [item.nodeid.split("/")[-1] for item in items] == [
        "test_a.py::test_y",
        "test_readme.py::test_y",
        "test_run.py::test_y",
        "test_a.py::test_y",
    ]


def test_every_tier_has_its_place() -> None:
    tests = ROOT / "tests"
    assert {path.relative_to(tests).parts[0] for path in tests.rglob("test_*.py")} == set(TIERS)


def test_the_end_says_how_long_each_tier_took() -> None:
    clock = Clock()
    clock._begun = 100.0
    for nodeid, start, seconds in (
        ("tests/unit/a.py::b", 130.0, 1.0),
        ("tests/browser/a.py::b", 110.0, 30.0),
        ("tests/unit/a.py::c", 131.0, 2.0),
    ):
        report: Any = SimpleNamespace(nodeid=nodeid, when="call", start=start, stop=start + seconds, duration=seconds)
        clock.pytest_runtest_logreport(report)
    browser, unit = clock.lines()
    assert browser.split() == ["browser", "1", "tests", "30", "s", "in", "them,", "from", "10", "s", "to", "40", "s"]
    assert unit.split() == ["unit", "2", "tests", "3", "s", "in", "them,", "from", "30", "s", "to", "33", "s"]
