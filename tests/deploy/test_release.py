"""What GitHub is told agrees with what the repository says elsewhere, and a release holds what it should."""

import json
import re
import shutil
import subprocess
import tomllib
import zipfile
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.support.commands import ROOT

PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
WORKFLOW: dict[str, Any] = yaml.safe_load((ROOT / ".github/workflows/ci.yml").read_text())
UPDATES: list[dict[str, Any]] = yaml.safe_load((ROOT / ".github/dependabot.yml").read_text())["updates"]


def test_what_is_pinned_exactly_is_not_moved_by_a_program() -> None:
    pinned = {re.split(r"[\[=]", requirement)[0] for requirement in PROJECT["dependencies"] if "==" in requirement}
    left_alone = {entry["dependency-name"] for update in UPDATES for entry in update.get("ignore", ())}
    assert left_alone == pinned


def test_every_folder_that_is_looked_at_for_updates_has_something() -> None:
    files = {"uv": "uv.lock", "github-actions": ".github/workflows", "docker": "Dockerfile", "npm": "package-lock.json"}
    for update in UPDATES:
        assert (ROOT / update["directory"].strip("/") / files[update["package-ecosystem"]]).exists()


def test_ci_tries_every_python_that_is_supported_on_both_architectures() -> None:
    matrix = WORKFLOW["jobs"]["test"]["strategy"]["matrix"]
    named = {name.rpartition(" ")[2] for name in PROJECT["classifiers"] if re.search(r":: 3\.\d+$", name)}
    assert set(matrix["python"]) == named
    assert min(named) == PROJECT["requires-python"].removeprefix(">=").partition(",")[0]
    for job in ("test", "image"):
        assert set(WORKFLOW["jobs"][job]["strategy"]["matrix"]["runner"]) == {"ubuntu-24.04", "ubuntu-24.04-arm"}


def test_everybody_runs_the_same_checks() -> None:
    hooks = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())["repos"][0]["hooks"]
    assert [hook["entry"] for hook in hooks] == ["make check"]
    assert {"run": "make check"} in WORKFLOW["jobs"]["check"]["steps"]
    assert {"run": ".ci/run"} in WORKFLOW["jobs"]["test"]["steps"]


def test_nothing_is_published_that_did_not_pass() -> None:
    release = WORKFLOW["jobs"]["release"]
    assert set(release["needs"]) == set(WORKFLOW["jobs"]) - {"release"}
    assert release["if"] == "startsWith(github.ref, 'refs/tags/v')"
    assert WORKFLOW["permissions"] == {}
    others = [job["permissions"] for name, job in WORKFLOW["jobs"].items() if name != "release"]
    assert others == [{"contents": "read"}] * len(others)


def test_uv_has_one_version() -> None:
    named = [
        re.findall(pattern, (ROOT / file).read_text())
        for file, pattern in (("scripts/uv", r"^version=([\d.]+)"), ("Dockerfile", r"uv==([\d.]+)"))
        for pattern in (f"(?m){pattern}",)
    ]
    assert named[0] == named[1]
    assert len(named[0]) == 1


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tree as it is, committed in a repository of its own."""
    root = tmp_path_factory.mktemp("release") / "headgate"
    listed = _run("git", "ls-files", "--cached", "--others", "--exclude-standard", "-z", cwd=ROOT)
    for name in filter(None, listed.split("\0")):
        if (ROOT / name).is_file():
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, root / name)
    if (ROOT / ".uv").exists():
        (root / ".uv").symlink_to(ROOT / ".uv")
    _run("git", "init", "--quiet", cwd=root)
    _run("git", "add", ".", cwd=root)
    _run("git", "-c", "user.name=ada", "-c", "user.email=ada@example.org", "commit", "-q", "-m", "all", cwd=root)
    return root


def test_a_release_knows_its_commit_and_says_what_it_installs(repository: Path) -> None:
    version = PROJECT["version"]
    _run("scripts/release", f"v{version}", cwd=repository)
    dist = repository / "dist"
    assert {path.name for path in dist.iterdir()} >= {f"headgate-{version}.tar.gz", "headgate.cdx.json", "notes.md"}
    commit = _run("git", "rev-parse", "HEAD", cwd=repository).strip()
    with zipfile.ZipFile(dist / f"headgate-{version}-py3-none-any.whl") as wheel:
        assert wheel.read("runtime/commit.txt").decode().strip() == commit
        assert "gateway/problems/problem_texts.toml" in wheel.namelist()
        assert {name.split("/")[0] for name in wheel.namelist()}.isdisjoint({"tests", "bench"})
    installed = {component["name"] for component in json.loads((dist / "headgate.cdx.json").read_text())["components"]}
    assert {re.split(r"[\[=>]", requirement)[0] for requirement in PROJECT["dependencies"]} <= installed
    assert "pytest" not in installed
    assert "Stable from now on" in (dist / "notes.md").read_text() or version != "1.0.0"


def test_a_tag_of_another_version_makes_no_release(repository: Path) -> None:
    with pytest.raises(subprocess.CalledProcessError) as refused:
        _run("scripts/release", "v0.0.1", cwd=repository)
    assert f"the tag is v0.0.1, the version in pyproject.toml {PROJECT['version']}" in refused.value.stderr


def _run(*command: str, cwd: Path) -> str:
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=120, check=True).stdout
