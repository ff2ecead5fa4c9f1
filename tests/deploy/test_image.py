"""The image is built without a compiler on both platforms, and is as small to fetch as docs/stability.md says.

`make images` builds it for this platform and holds what it takes on disk (`deploy/image-size`).
"""

import re
import subprocess
import tomllib
from typing import Any

import pytest

from tests.support.commands import ROOT

DOCKERFILE = (ROOT / "Dockerfile").read_text()
# No wheel for arm64, and pure Python without a compiler: its setup.py lets the C parts fail.
BUILT = {"x86_64": set[str](), "aarch64": {"faust-streaming"}}


@pytest.fixture(scope="module")
def installed() -> list[str]:
    """What the Dockerfile's `uv sync --no-dev` installs on Linux."""
    command = ["scripts/uv", "export", "--quiet", "--frozen", "--no-dev", "--no-emit-project", "--no-hashes"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=True).stdout
    lines = [line for line in listed.splitlines() if "==" in line and "sys_platform == 'win32'" not in line]
    return [line.partition("==")[0] for line in lines]


@pytest.fixture(scope="module")
def locked() -> dict[str, dict[str, Any]]:
    """What uv.lock says of each package."""
    return {package["name"]: package for package in tomllib.loads((ROOT / "uv.lock").read_text())["package"]}


@pytest.mark.parametrize("machine", BUILT)
def test_all_that_it_installs_comes_as_wheels_of_the_stated_size(
    machine: str, installed: list[str], locked: dict[str, dict[str, Any]]
) -> None:
    wheels = {name: _wheel(locked[name], machine) for name in installed}
    assert {name for name, wheel in wheels.items() if wheel is None} == BUILT[machine]
    megabytes = sum(wheel["size"] for wheel in wheels.values() if wheel) / 1e6
    stated = re.search(r"compressed about (\d+) MB", (ROOT / "docs/stability.md").read_text())
    assert stated
    assert megabytes <= int(stated[1])


def test_no_compiler_is_fetched_for_it() -> None:
    assert not re.search(r"apt-get|\bgcc\b|build-essential", DOCKERFILE)
    assert set(re.findall(r"^FROM (\S+)", DOCKERFILE, re.MULTILINE)) == {f"python:{_python()}-slim"}


def _python() -> str:
    found = re.search(r"^FROM python:(3\.\d+)-slim", DOCKERFILE, re.MULTILINE)
    assert found
    return found[1]


def _wheel(package: dict[str, Any], machine: str) -> dict[str, Any] | None:
    """The wheel that the image's Python takes there."""
    python = f"cp{_python().replace('.', '')}"
    fits = re.compile(rf"-(?:{python}-{python}|cp3\d+-abi3|py3-none)-[^-]*manylinux[^-]*{machine}|-none-any\.whl$")
    found: list[dict[str, Any]] = [wheel for wheel in package.get("wheels", ()) if fits.search(wheel["url"])]
    return max(found, key=lambda wheel: int(wheel["size"]), default=None)
