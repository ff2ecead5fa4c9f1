"""`headgate` as a person types it: help that lists everything, and failures that are one line."""

import inspect
import io
import json
import math
import os
import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
import structlog
from rich.console import Console
from rich.progress import Progress
from typer import BadParameter, Typer
from typer.main import get_command

from cli.commands import COMMANDS, add
from cli.config import masked
from cli.finish import Rate
from cli.listing import listing, show
from cli.stack.screen import screen, step
from runtime.release import described
from stream_workers.kinds import KINDS
from tests.support.commands import ROOT
from tests.support.forked import headgate

HELP = "from cli.main import add_asked_for; add_asked_for({})"


def test_help_names_every_command(tmp_path: Path) -> None:
    shown = headgate("--help", cwd=tmp_path)
    assert shown.returncode == 0
    for command in ("config", "forget", "gateway", "load", "migrate", "retention", "run", "topics", "worker"):
        assert command in shown.stdout


def test_a_step_of_a_start_is_one_line_whatever_is_logged_meanwhile(capsys: pytest.CaptureFixture[str]) -> None:
    with step("one"):
        structlog.get_logger().info("something else")
    with pytest.raises(KeyError), step("another"):
        raise KeyError
    one, logged, another = capsys.readouterr().out.splitlines()
    assert re.fullmatch(r"  one +\d+\.\d s", one)
    assert "something else" in logged
    assert another.split() == ["another"]


def test_help_says_of_each_command_what_its_own_help_says() -> None:
    for name, command in COMMANDS.items():
        module, attribute = command.where.split(":")
        found = getattr(import_module(module), attribute)
        told = str(found.info.help if isinstance(found, Typer) else inspect.getdoc(found))
        assert " ".join(told.split("\n\n")[0].split()) == command.does, name


@pytest.mark.parametrize(
    ("script", "never"),
    [
        (HELP.format([]), {"faust", "sqlalchemy"}),
        (HELP.format(["--help"]), {"faust", "sqlalchemy"}),
        (HELP.format(["nonsense"]), {"faust", "sqlalchemy"}),
        ("import cli.services.gateway_command", {"redis", "faust"}),
        ("import cli.services.worker_command", {"faust", "sqlalchemy"}),
        ("import cli.stack.run", {"faust", "fastapi"}),
    ],
)
def test_what_takes_long_to_import_is_imported_by_what_needs_it(tmp_path: Path, script: str, never: set[str]) -> None:
    """All commands together take seconds."""
    imported = subprocess.run(
        [sys.executable, "-c", f"{script}; import sys; print(*sys.modules)"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=170,
        check=True,
    ).stdout.split()
    assert never & set(imported) == set()


def test_the_version_is_told_with_its_commit(tmp_path: Path) -> None:
    shown = headgate("--version", cwd=tmp_path)
    assert shown.returncode == 0
    assert shown.stdout == f"headgate {described()}\n"


@pytest.mark.parametrize(
    ("args", "environment", "message"),
    [
        (["migrate"], {"DATABASE_URL": "postgresql+asyncpg://u:secret@127.0.0.1:1/x"}, "127.0.0.1:1 cannot be reached"),
        (["migrate"], {"DATABASE_URL": "mysql://u:secret@127.0.0.1:1/x"}, "DATABASE_URL: "),
        (["topics", "create"], {"KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:1"}, "Kafka at 127.0.0.1:1"),
        (["topics", "tail"], {"KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:1"}, "Kafka at 127.0.0.1:1"),
        (["topics", "tail"], {"KAFKA_BOOTSTRAP_SERVERS": "nonsense:port"}, "KAFKA_BOOTSTRAP_SERVERS"),
        (["topics", "create"], {"KAFKA_PREFIX": "no spaces"}, "KAFKA_PREFIX: "),
        (["topics", "create"], {"KAFKA_PARTITIONS": "0"}, "KAFKA_PARTITIONS: "),
        (["topics", "create"], {"KAFKA_MIN_INSYNC_REPLICAS": "2"}, "KAFKA_REPLICATION_FACTOR, which is 1: "),
        (["config"], {"GATEWAY_PORT": "99999"}, "GATEWAY_PORT: "),
        (["run"], {"HEADGATE_DATA_DIR": "/dev/null/x"}, "/dev/null/x (HEADGATE_DATA_DIR) cannot be used: "),
        (["run"], {"WORKER_WEB_PORT": "65535"}, "WORKER_WEB_PORT: "),
        (["load", "--url", "http://127.0.0.1:1"], {}, "nothing answers at http://127.0.0.1:1"),
        (["load", "--url", "ftp://x"], {}, "ftp://x is no address"),
        (["load", "--url", "http://127.0.0.1:99999"], {}, "http://127.0.0.1:99999 is no address"),
        (["load", "--url", "http://[::1"], {}, "http://[::1 is no address"),
        (["load", "--url", f"http://{'x' * 64}/"], {}, "nothing answers at http://xxx"),
    ],
)
def test_a_failure_is_told_in_one_line(
    tmp_path: Path, args: list[str], environment: dict[str, str], message: str
) -> None:
    result = headgate(*args, cwd=tmp_path, env=environment)
    assert result.returncode == 1
    assert message in result.stderr
    assert "secret" not in result.stderr
    assert len(result.stderr.splitlines()) == 1


@pytest.mark.parametrize("kind", list(KINDS))
def test_a_taken_port_is_named_before_a_worker_asks_kafka_for_anything(tmp_path: Path, kind: str) -> None:
    """No broker answers here: a worker that asked one first would wait for it."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        settings = {"WORKER_WEB_PORT": port, "KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:1"}
        ended = headgate("worker", kind, cwd=tmp_path, env=settings)
    told = f"port {port} (WORKER_WEB_PORT) is taken by another program: stop it or set another port"
    assert (ended.returncode, [told in line for line in ended.stderr.splitlines()]) == (3, [True]), ended.stderr


@pytest.mark.parametrize("args", [["config", "-h"], ["load", "--help"], ["keys", "create", "-h"], ["retention", "-h"]])
def test_help_shows_a_flag_as_what_it_is(tmp_path: Path, args: list[str]) -> None:
    shown = headgate(*args, cwd=tmp_path)
    assert shown.returncode == 0
    assert "--help" in shown.stdout
    assert "bool" not in shown.stdout


def test_a_file_that_cannot_be_read_is_told_in_one_line(tmp_path: Path) -> None:
    (tmp_path / ".env").symlink_to("/proc/self/mem")  # an ordinary file, which even root cannot read from its start
    result = headgate("config", cwd=tmp_path)
    assert result.returncode == 1
    assert result.stderr == "headgate: .env cannot be read: Input/output error\n"


@pytest.mark.parametrize("width", [60, 80, 200])
def test_an_id_that_another_command_wants_is_shown_whole(width: int) -> None:
    id_ = "01a20a25-985c-75ec-970b-debf602dc5ea"
    table = listing("id", "name", "scopes", "created", "expires", "last used", "revoked")
    table.add_row(id_, "a name", "applications:write applications:read", *["2026-11-23 20:42"] * 4)
    shown = io.StringIO()
    Console(file=shown, width=width).print(table)
    assert id_ in shown.getvalue()


def test_a_list_with_short_names_fits_a_terminal() -> None:
    table = listing("group", "state", "lag", "lag in time", "trend", "members", "too late in")
    table.add_row("metrics", "Stable", "0", "0 s", "steady", "1", "keeps up")
    console = Console(file=io.StringIO(), width=80)
    show(table, console)
    assert console.width == 80


@pytest.mark.parametrize("width", [40, 80, 400])
def test_nothing_in_a_list_is_cut(width: int) -> None:
    """A long name without a space too: somebody may have to copy it."""
    texts = ["gateway-7f9c-" * 8, "applications:read,applications:write,operations", "why it waits, at length"]
    table = listing("lease", "gateway", "scopes", "why")
    table.add_row("0" * 36, *texts)
    console = Console(file=io.StringIO(), width=width)
    show(table, console)
    shown = console.file.getvalue()  # type: ignore[attr-defined]
    assert "…" not in shown
    assert "0" * 36 in shown
    assert all(sum(map(text.count, set(text))) <= sum(map(shown.count, set(text))) for text in texts)


def test_progress_says_how_fast_it_goes() -> None:
    clock = iter(range(1000))
    with Progress(Rate(), console=Console(file=io.StringIO()), get_time=lambda: float(next(clock))) as bar:
        task = bar.add_task("reading", total=1000)
        assert Rate().render(bar.tasks[0]).plain == ""
        for done in (100, 200, 300):
            bar.update(task, completed=done)
        assert re.fullmatch(r"\d+/s", Rate().render(bar.tasks[0]).plain)


def test_config_as_json_hides_secrets_too(tmp_path: Path) -> None:
    settings = {"DATABASE_URL": "postgresql+asyncpg://u:secret@127.0.0.1:1/x"}
    shown = headgate("config", "--json", cwd=tmp_path, env=settings)
    told = {line["name"]: line for line in json.loads(shown.stdout)}
    assert told["DATABASE_URL"]["source"] == "environment"
    assert "secret" not in shown.stdout


def test_the_screen_names_the_form_and_an_address_for_psql(tmp_path: Path) -> None:
    settings = {
        "GATEWAY_PORT": "8000",
        "KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:9092",
        "DATABASE_URL": "postgresql+asyncpg://headgate:headgate@127.0.0.1:5432/headgate",
        "DATABASE_READ_URL": "postgresql+asyncpg://ann:secret@/x?host=a:1&host=b:2",
    }
    own = screen(settings, [], tmp_path, own_postgres=True).splitlines()
    assert "  Form        http://127.0.0.1:8000/" in own
    assert "  PostgreSQL  postgresql://headgate:headgate@127.0.0.1:5432/headgate" in own
    assert "  Replica     postgresql://ann:***@a:1,b:2/x" in screen(settings, [], tmp_path).splitlines()


@pytest.fixture(scope="module")
def options() -> list[Any]:
    """Of all commands, and their arguments."""
    app = Typer(add_completion=False)
    for name in COMMANDS:
        add(app, name)
    return list(_options(get_command(app)))


def _options(command: Any) -> Iterator[Any]:
    yield from command.params
    for each in getattr(command, "commands", {}).values():
        yield from _options(each)


def test_every_option_and_argument_says_what_it_is(options: list[Any]) -> None:
    assert len(options) > 50
    assert [option.name for option in options if not option.help] == []


def test_what_python_alone_takes_for_a_number_is_refused_by_all(options: list[Any]) -> None:
    numbers = [option for option in options if option.type_descriptor.annotation is float]
    assert len(numbers) >= 5
    assert [option.name for option in numbers if option.callback(None, option, 1.5) != 1.5] == []
    for option in numbers:
        for value in (math.nan, math.inf, -math.inf):
            with pytest.raises(BadParameter):
                option.callback(None, option, value)


@pytest.mark.parametrize(
    "args", [["nope"], ["load", "--rate", "x"], ["watch", "--interval", "nan"], ["topics", "tail", "--count", "0"]]
)
def test_a_misuse_is_explained(tmp_path: Path, args: list[str]) -> None:
    result = headgate(*args, cwd=tmp_path)
    assert result.returncode == 2
    assert "Usage" in result.stderr
    assert "Traceback" not in result.stderr


def test_a_misspelt_setting_in_the_file_stops_every_command(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("GATEWAY_PROT=9000\n")
    result = headgate("config", cwd=tmp_path)
    assert result.returncode == 1
    assert result.stderr == "headgate: .env: there is no setting GATEWAY_PROT; did you mean GATEWAY_PORT?\n"


def test_other_programs_may_use_the_file_too(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("COMPOSE_PROJECT_NAME=x\nOTEL_SERVICE_NAME=y\n")
    assert headgate("config", cwd=tmp_path).returncode == 0


def test_config_tells_value_and_source_and_hides_secrets(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("GATEWAY_PORT=9001\nDATABASE_URL=postgresql+asyncpg://me:secret@db/x\n")
    shown = headgate("config", cwd=tmp_path, env={"LOG_LEVEL": "DEBUG"}).stdout
    lines = {line.split()[0]: line.split()[1:] for line in shown.splitlines()}
    assert lines["GATEWAY_PORT"] == ["9001", ".env"]
    assert lines["LOG_LEVEL"] == ["DEBUG", "environment"]
    assert lines["GATEWAY_HOST"] == ["127.0.0.1", "default"]
    assert lines["DATABASE_URL"] == ["postgresql+asyncpg://me:***@db/x", ".env"]


@pytest.mark.parametrize(
    ("secret", "shown"),
    [
        ("postgresql+asyncpg://u:p@h:1/d", "postgresql+asyncpg://u:***@h:1/d"),
        ("redis://:p@h", "redis://:***@h"),
        ("token", "***"),
        ("postgresql+asyncpg://h/d", "postgresql+asyncpg://h/d"),
        ("-----BEGIN PRIVATE KEY-----", "***"),
    ],
)
def test_secrets_are_masked(secret: str, shown: str) -> None:
    assert masked(secret) == shown
