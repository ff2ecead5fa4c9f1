"""Every command of the README and of the tutorial works, and answers have the shape that those pages show.

A block that cannot run here says so above it: ``<!-- no-test: the reason -->``.
"""

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from devstack.child import spawn
from devstack.ports import free_port
from tests.support.commands import ROOT

START_SECONDS = 150


@dataclass(frozen=True)
class Block:
    """Commands, why they are not run (empty: they are), and the answer shown below them, if there is one."""

    line: int
    commands: str
    excuse: str
    language: str
    answer: str


def blocks(page: str = "README.md") -> list[Block]:
    pattern = re.compile(
        r"(?:^<!-- no-test: (?P<excuse>[^\n]+) -->\n)?^```sh\n(?P<commands>.*?)^```\n"
        r"(?:\n^```(?P<language>json|http|text)\n(?P<answer>.*?)^```\n)?",
        re.MULTILINE | re.DOTALL,
    )
    text = (ROOT / page).read_text()
    return [
        Block(
            line=text.count("\n", 0, found.start("commands")) + 1,
            commands=found["commands"],
            excuse=found["excuse"] or "",
            language=found["language"] or "",
            answer=found["answer"] or "",
        )
        for found in pattern.finditer(text)
    ]


RUN = [block for block in blocks() if not block.excuse]
STEPS = [block for block in blocks("docs/tutorial.md") if not block.excuse]


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """What `make run` starts, on ports and in a folder of its own."""
    folder = tmp_path_factory.mktemp("readme")
    ports = {name: str(free_port()) for name in ("GATEWAY_PORT", "POSTGRES_PORT", "KAFKA_PORT")}
    settings = {"HEADGATE_DATA_DIR": str(folder / "data"), "WORKER_WEB_PORT": str(free_port(neighbours=2)), **ports}
    child = spawn([sys.executable, "-m", "cli", "run"], name="make run", log=folder / "run.log", cwd=ROOT, env=settings)
    try:
        child.wait_until(lambda: "Ctrl-C stops it" in child.output(), seconds=START_SECONDS)
        yield settings
    finally:
        child.stop(signal.SIGINT, seconds=60)


@pytest.mark.timeout(300)
@pytest.mark.parametrize("block", RUN, ids=lambda block: f"line-{block.line}")
def test_the_commands_work_and_answer_as_shown(block: Block, stack: dict[str, str]) -> None:
    commands = _here(block.commands, stack)
    wanted, deadline = _shape(block.answer, block.language), time.monotonic() + 120
    # Health is of the moment: on a busy machine a lease can be away while one looks.
    while (seen := _shape(_output(commands, stack), block.language)) != wanted and time.monotonic() < deadline:
        pass
    assert seen == wanted


@pytest.mark.timeout(300)
@pytest.mark.parametrize("block", STEPS, ids=lambda block: f"tutorial-{block.line}")
def test_each_step_of_the_tutorial_works_and_answers_as_shown(block: Block, stack: dict[str, str]) -> None:
    """In their order, on the stack that the README's commands have left; a step waits by itself for what it needs."""
    seen = _output(_here(block.commands, stack), stack, seconds=150)
    if block.language == "text":
        assert seen == block.answer
    else:
        assert _shape(seen, block.language) == _shape(block.answer, block.language)


def _here(commands: str, stack: dict[str, str]) -> str:
    """With the ports and the folder of this stack."""
    for shown, own in ((":8000", "GATEWAY_PORT"), (":9092", "KAFKA_PORT")):
        commands = commands.replace(shown, f":{stack[own]}")
    return commands.replace(".headgate/", f"{stack['HEADGATE_DATA_DIR']}/")


def _output(commands: str, stack: dict[str, str], *, seconds: float = 60) -> str:
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", commands],
        cwd=ROOT,
        env={**os.environ, **stack},
        capture_output=True,
        text=True,
        timeout=seconds,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.timeout(300)
def test_the_example_for_curl_works(stack: dict[str, str]) -> None:
    address = {"GATEWAY": f"http://127.0.0.1:{stack['GATEWAY_PORT']}"}
    subprocess.run(["sh", "examples/curl.sh"], cwd=ROOT, env={**os.environ, **address}, timeout=60, check=True)


def test_there_are_commands_and_every_excuse_has_a_reason() -> None:
    assert len(RUN) >= 10
    assert len(STEPS) >= 10
    found = [*blocks(), *blocks("docs/tutorial.md")]
    assert all(len(block.excuse) > 10 for block in found if block.excuse)


def _shape(text: str, language: str) -> object:
    """What must not differ: the names in JSON, the status and the headers' names, the form of the other lines."""
    if not language:
        return None
    if language == "json":
        return _names(json.loads(text))
    if language == "http":
        head, body = text.replace("\r", "").split("\n\n", 1)
        status, *headers = head.splitlines()
        return status, [header.split(":")[0] for header in headers], _names(json.loads(body))
    return [line.split(":")[0] if ": " in line else "" for line in text.strip().splitlines()[1:]]


def _names(value: object) -> object:
    if isinstance(value, dict):
        return {name: _names(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [_names(inner) for inner in value[:1]]
    return type(value).__name__ if isinstance(value, bool | str) else "number or null"
