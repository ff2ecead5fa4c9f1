"""The contract's documents: committed as the models say, valid by the official parser, and true to every release."""

import json
import shutil
import subprocess
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from contracts import Topics
from contracts.__main__ import main
from contracts.asyncapi import document, schema
from stream_workers.kafka.events import Bad, read
from stream_workers.web.serving.exposition import REASONS
from tests.support.commands import ROOT

RELEASED = sorted((ROOT / "contracts/released").glob("*.json"))
PARSER = ROOT / "tests/asyncapi"


def test_the_committed_documents_are_those_of_the_models(tmp_path: Path) -> None:
    assert main(["--check", str(ROOT / "docs")]) == 0
    assert main(["--check", str(tmp_path)]) == 1
    assert main([str(tmp_path)]) == 0
    assert main(["--check", str(tmp_path)]) == 0


@pytest.mark.parametrize("path", RELEASED, ids=lambda path: path.stem)
def test_what_was_released_still_holds(path: Path) -> None:
    """Consumers rely on each member's presence, type and bounds; members may be added."""
    released, today = json.loads(path.read_text()), schema()
    assert set(released["required"]) <= set(today["required"])
    for name, field in released["properties"].items():
        now = today["properties"][name]
        assert now["type"] == field["type"]
        assert now.get("format") == field.get("format")
        assert now.get("maxLength", 0) <= field.get("maxLength", 0)
        assert now.get("minLength", 0) >= field.get("minLength", 0)


def test_the_version_that_is_written_was_released() -> None:
    assert any(schema()["$id"] == json.loads(path.read_text())["$id"] for path in RELEASED)


def test_a_prefix_is_in_the_addresses() -> None:
    channels = document(Topics("x."))["channels"]
    assert channels["applications"]["address"] == "x.applications"
    assert channels["deadLetters"]["bindings"]["kafka"]["topic"] == "x.applications-dead-letters"


def test_the_reasons_of_dead_letters_are_all_of_them() -> None:
    newer = [("ce_type", b"headgate.application.submitted.v2")]
    records: list[Any] = [
        SimpleNamespace(offset=0, value=value, headers=headers)
        for value, headers in ((None, []), (b"{", []), (b" " * 300_000, []), (b"{}", newer))
    ]
    found = {event.reason for record in records if isinstance(event := read(record), Bad)}
    letter = document(Topics())["components"]["messages"]["deadLetter"]
    assert set(letter["headers"]["properties"]["reason"]["enum"]) == found == set(REASONS)


@pytest.fixture(scope="session")
def parser() -> Path:
    """The official parser, installed from the committed lock file."""
    if shutil.which("npm") is None or shutil.which("node") is None:
        pytest.skip("node and npm are not installed")
    if not (PARSER / "node_modules/@asyncapi/parser").exists():
        command = ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
        done = subprocess.run(command, cwd=PARSER, capture_output=True, text=True, timeout=300, check=False)
        if done.returncode:
            pytest.skip(f"the AsyncAPI parser cannot be installed: {done.stderr[-200:]}")
    return PARSER / "validate.mjs"


@pytest.mark.timeout(400)
def test_the_official_parser_is_content(parser: Path) -> None:
    good, bad = document(Topics()), document(Topics())
    del bad["info"]["version"]
    assert _validate(parser, good).returncode == 0, _validate(parser, good).stderr
    assert "version" in _validate(parser, bad).stderr


def _validate(parser: Path, value: dict[str, Any]) -> "subprocess.CompletedProcess[str]":
    command = ["node", str(parser)]
    return subprocess.run(command, input=json.dumps(value), capture_output=True, text=True, timeout=60, check=False)
