"""The folders: each says what it promises, and has neither so much in it that one has to search, nor too little."""

import ast
from pathlib import Path

import pytest

from tests.support.commands import ROOT

PACKAGES = ("contracts", "runtime", "gateway", "stream_workers", "cli", "devstack")
FOLDERS = [folder.parent for package in PACKAGES for folder in sorted((ROOT / package).rglob("__init__.py"))]
# The folders in it are its parts, and it has nothing of its own.
ONLY_FOLDERS = {"stream_workers/web"}


def name(folder: Path) -> str:
    return str(folder.relative_to(ROOT))


def modules(folder: Path) -> list[str]:
    return [path.stem for path in folder.glob("*.py") if not path.stem.startswith("__")]


@pytest.mark.parametrize("folder", FOLDERS, ids=name)
def test_it_says_what_it_promises(folder: Path) -> None:
    said = ast.get_docstring(ast.parse((folder / "__init__.py").read_text()))
    assert said
    assert said.partition("\n")[0].endswith((".", ":"))


@pytest.mark.parametrize("folder", FOLDERS, ids=name)
def test_it_has_neither_too_much_nor_too_little(folder: Path) -> None:
    assert name(folder) in ONLY_FOLDERS or 3 <= len(modules(folder)) <= 12


def test_no_module_is_called_for_what_it_might_hold() -> None:
    vague = {"utils", "util", "helpers", "common", "manager", "base", "misc"}
    assert [str(path) for folder in FOLDERS for path in folder.glob("*.py") if path.stem in vague] == []
