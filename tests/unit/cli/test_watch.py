"""What `headgate watch` tells, once, and how it runs a program for it."""

import json
import os
import re
import signal
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest

from cli.doctor import view
from cli.doctor.finding import Finding, failed, ok, warning
from cli.errors import CommandError
from cli.watch.changes import Change, Told, changes
from cli.watch.memory import Memory
from cli.watch.program import run, words_of
from devstack.ports import free_port
from stream_workers.settings import Settings
from tests.support.commands import ROOT

WELL = {"kafka": [ok("Kafka", "1 broker"), ok("dead letters", "none")]}
LETTERS = {"kafka": [ok("Kafka", "1 broker"), warning("dead letters", "3", "look")]}
AWAY = {"kafka": [failed("Kafka", "no answer", "start it")]}


def told(memory: Memory, examined: dict[str, list[Finding]]) -> list[tuple[str, str, str]]:
    found = changes(memory.known, examined)
    for change in found:
        memory.keep(change)
    return [(change.finding.what, change.before, change.finding.status) for change in found]


def test_a_change_is_told_once() -> None:
    memory = Memory(None)
    assert told(memory, WELL) == []
    assert told(memory, LETTERS) == [("dead letters", "ok", "warning")]
    assert told(memory, {"kafka": [ok("Kafka", "1 broker"), warning("dead letters", "4", "look")]}) == []
    assert told(memory, WELL) == [("dead letters", "warning", "ok")]


def test_what_an_outage_hides_is_not_taken_for_well() -> None:
    memory = Memory(None)
    told(memory, LETTERS)
    assert told(memory, AWAY) == [("Kafka", "ok", "failed")]
    assert told(memory, {"look": [failed("look", "broke", "see")]}) == [("look", "ok", "failed")]
    assert told(memory, LETTERS | {"look": [ok("look", "all")]}) == [
        ("Kafka", "failed", "ok"),
        ("look", "failed", "ok"),
    ]


def test_what_is_found_no_more_by_a_whole_look_is_well() -> None:
    memory = Memory(None)
    lease = warning("lease of gone:8000", "silent", "wait")
    assert told(memory, {"database": [ok("PostgreSQL", "18"), lease]})[0][0] == lease.what
    assert told(memory, {"database": [failed("PostgreSQL", "away", "start")]}) == [("PostgreSQL", "ok", "failed")]
    assert told(memory, {"database": [ok("PostgreSQL", "18")]}) == [
        ("PostgreSQL", "failed", "ok"),
        (lease.what, "warning", "ok"),
    ]


def test_of_two_findings_of_one_subject_the_worse_is_told() -> None:
    both = {"kafka": [failed("rights", "one", "mend"), warning("rights", "two", "mend")]}
    assert told(Memory(None), both) == [("rights", "ok", "failed")]


def test_what_was_told_is_remembered_over_a_restart(tmp_path: Path) -> None:
    file = tmp_path / "told.json"
    assert told(Memory(file), LETTERS) == [("dead letters", "ok", "warning")]
    assert Memory(file).known == {"dead letters": Told("warning", "kafka")}
    assert told(Memory(file), LETTERS) == []
    assert told(Memory(file), WELL) == [("dead letters", "warning", "ok")]
    assert [path.name for path in tmp_path.iterdir()] == ["told.json"]


@pytest.mark.parametrize("content", ["{", "[]", '{"a": 1}', '{"a": ["ok"]}'])
def test_a_file_of_somebody_else_is_refused(tmp_path: Path, content: str) -> None:
    file = tmp_path / "other.json"
    file.write_text(content)
    with pytest.raises(CommandError, match=r"other\.json is not what"):
        Memory(file)
    assert file.read_text() == content


HOSTILE = '"; touch owned; $(touch owned) `touch owned` \x00 \x1b[2J \n%s {0} $HOME'
SCRIPT = "import json, os, sys; json.dump([dict(os.environ), sys.argv, sys.stdin.read()], open('ran', 'w'))"


def test_nothing_in_a_finding_is_obeyed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    change = Change("kafka", "ok", failed(HOSTILE, HOSTILE * 200, HOSTILE))
    assert run([sys.executable, "-c", SCRIPT, "$HOME"], change.to_fields(), change.lines()) is None
    environment, arguments, said = json.loads((tmp_path / "ran").read_text())
    assert environment["HEADGATE_WHAT"] == HOSTILE.replace("\0", "")
    assert (environment["HEADGATE_STATUS"], environment["HEADGATE_BEFORE"]) == ("failed", "ok")
    assert arguments == ["-c", "$HOME"]
    assert "\x1b" not in said
    assert [path.name for path in tmp_path.iterdir()] == ["ran"]


def test_a_program_that_fails_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    fields, text = {"what": "Kafka"}, "x" * 1_000_000
    assert run([sys.executable, "-c", "exit(3)"], fields, text) == f"`{sys.executable}` ended with 3"
    monkeypatch.setattr("cli.watch.program.SECONDS", 0.2)
    assert "timed out" in (run([sys.executable, "-c", "input(); import time; time.sleep(60)"], fields, "\n") or "")


@pytest.mark.parametrize("command", ["", "no-such-program --now", 'sh -c "unclosed'])
def test_a_program_that_is_not_there_is_refused_at_once(command: str) -> None:
    with pytest.raises(ValueError, match=r"there is no program|No closing quotation"):
        words_of(command)


def test_the_words_of_a_program_are_read_as_a_shell_reads_them() -> None:
    assert words_of("sh -c 'echo \"$HEADGATE_WHAT\"'") == ["sh", "-c", 'echo "$HEADGATE_WHAT"']


def test_it_goes_on_until_it_is_asked_to_end(tmp_path: Path) -> None:
    nowhere = f"127.0.0.1:{free_port()}"
    servers = {"DATABASE_URL": f"postgresql+asyncpg://a:b@{nowhere}/x", "KAFKA_BOOTSTRAP_SERVERS": nowhere}
    ports = {"GATEWAY_PORT": str(free_port()), "WORKER_WEB_PORT": str(free_port())}
    command = [sys.executable, "-m", "cli", "watch", "--interval", "1", "--run", "sh -c 'echo $HEADGATE_WHAT >> ran'"]
    environment = {**os.environ, **servers, **ports, "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(command, cwd=tmp_path, env=environment, stdout=subprocess.PIPE, text=True) as watching:
        assert watching.stdout
        told = [watching.stdout.readline() for _ in range(3)]  # the program of the first one has ended by then
        watching.send_signal(signal.SIGTERM)
        rest, _ = watching.communicate(timeout=60)
        assert watching.returncode == 0
    subjects = re.findall(r"^\S+ \w+ +([^:]+): ", "".join([*told, rest]), re.MULTILINE)
    assert "PostgreSQL" in subjects
    assert len(subjects) == len(set(subjects))
    assert "PostgreSQL" in (tmp_path / "ran").read_text()


FOUND: list[dict[str, Any]] = [
    {"code": "no-owner", "level": "bad", "n": 1, "partitions": "2", "kind": "metrics"},
    {"code": "no-owner", "level": "bad", "n": 2, "partitions": "0, 1", "kind": "journal"},
    {"code": "brokers-away", "level": "warn", "n": 1, "brokers": "2"},
    {"code": "rebalancing", "level": "note", "kind": "metrics"},
    {"code": "kafka-away", "level": "bad", "seconds": 4.0, "waiting": None},
]


async def test_what_only_the_view_knows_is_told_in_its_words(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(view, "get", lambda *_: {"findings": FOUND})
    metrics, journal, brokers = await view.examine(Settings())
    assert metrics.what == "view: no-owner (metrics)"
    assert (journal.status, journal.found) == ("failed", "Partitions 0, 1 have no owner (journal)")
    assert journal.remedy.startswith("It mends itself within seconds.")
    assert journal.remedy.endswith(" docs/runbook/nothing-consumed.md")
    assert (brokers.status, brokers.found) == ("warning", "Broker 2 is away")


@pytest.mark.parametrize("report", [None, {}, {"status": 421}, {"findings": []}])
async def test_a_view_that_says_nothing_is_no_finding(monkeypatch: pytest.MonkeyPatch, report: object) -> None:
    monkeypatch.setattr(view, "get", lambda *_: report)
    assert await view.examine(Settings()) == []


def test_every_finding_that_is_told_elsewhere_is_one_of_the_views() -> None:
    words = tomllib.loads((ROOT / "stream_workers/web/words/en.toml").read_text())["finding"]
    assert set(words) > view._TOLD | set(view._RUNBOOK)
    assert all((ROOT / f"docs/runbook/{page}.md").is_file() for page in view._RUNBOOK.values())
