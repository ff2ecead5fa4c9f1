"""Whatever there is of one kind of worker there is of every kind: one that is forgotten somewhere fails here."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from cli.doctor.kafka import _names
from cli.services.worker_command import app as worker_commands
from cli.settings import Shape
from cli.stack.wanted import Wanted
from cli.topics.create import new_topics
from contracts import Topics
from stream_workers.books.shelf import BOOKS
from stream_workers.exact.ledger import rank
from stream_workers.kinds import KINDS, OF_TABLE, Kind
from stream_workers.settings import Settings
from stream_workers.web.facts.tables_page import tables
from stream_workers.web.showing.preferences import LANGUAGES, Language
from stream_workers.web.showing.wording import texts
from tests.support.commands import ROOT

TOPICS = Topics("x.")
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yaml").read_text())["services"]
PROMETHEUS: dict[str, Any] = yaml.safe_load((ROOT / "deploy/prometheus/prometheus.yaml").read_text())
ALERTS = (ROOT / "deploy/prometheus/alerts.yaml").read_text()

each_kind = pytest.mark.parametrize("kind", KINDS.values(), ids=str)


def test_names_tables_and_ports_tell_them_apart() -> None:
    assert list(BOOKS) == list(KINDS)
    assert len(OF_TABLE) == len({kind.port for kind in KINDS.values()}) == len(KINDS)
    assert [kind.serves_view for kind in KINDS.values()].count(True) == 1


@each_kind
def test_it_has_a_book_that_begins_with_nothing(kind: Kind) -> None:
    book = BOOKS[kind.name]
    assert book.kind is kind
    state = book.fresh("topic", 7)
    value = book.encode(state)
    assert book.decode(value) == state
    assert rank(value) == (state.edition, 6)
    assert (sum(state.classes.values()), state.taken, state.bad, state.missing) == (0, 0, 0, 0)


@each_kind
def test_it_has_a_changelog_that_is_created_and_examined(kind: Kind) -> None:
    created = {topic.name: topic.topic_configs for topic in new_topics(TOPICS, Shape())}
    assert created[kind.changelog(TOPICS)]["cleanup.policy"] == "compact"
    assert kind.changelog(TOPICS) in _names(TOPICS)


@each_kind
def test_it_has_a_command_and_a_service(kind: Kind) -> None:
    assert kind.name in {command.name for command in worker_commands.registered_commands}
    wanted = Wanted.read()
    started = wanted.services({"GATEWAY_PORT": "8000", "WORKER_WEB_PORT": "6066"})
    assert [service.command for service in started].count(("worker", kind.name)) >= 1
    assert kind in Settings(_env_file=None).neighbours()
    assert COMPOSE[f"worker-{kind}"]["command"] == ["worker", kind.name]


@each_kind
def test_it_is_deployed_scraped_and_watched(kind: Kind) -> None:
    kubernetes = ROOT / "deploy/kubernetes"
    assert f'args: ["worker", "{kind}"]' in (kubernetes / f"worker-{kind}.yaml").read_text()
    assert f"worker-{kind}.yaml" in (kubernetes / "kustomization.yaml").read_text()
    for file in ("disruption.yaml", "network.yaml", "scaling.yaml"):
        assert f"headgate-worker-{kind}" in (kubernetes / file).read_text(), file
    jobs = {job["job_name"]: job for job in PROMETHEUS["scrape_configs"]}
    assert f"worker-{kind}:{kind.port}" in str(jobs[f"headgate-{kind}"])
    down = re.search(r'up\{job=~"(headgate-[^"]*)"\}', ALERTS)
    assert down is not None
    assert re.fullmatch(down[1], f"headgate-{kind}")


@each_kind
@pytest.mark.parametrize("language", LANGUAGES)
def test_the_view_has_words_for_it(kind: Kind, language: Language) -> None:
    words = texts(language)
    absent = f"finding.no-{kind}-worker"
    agent = (f"agents.{what}-{kind}" for what in ("about", "events", "errors"))
    wanted = {f"kind.{kind}", f"tables.about-{kind.table}", absent, f"{absent}-meaning", f"{absent}-todo", *agent}
    assert wanted <= words.keys()


def test_the_view_shows_the_table_of_each() -> None:
    look: Any = type("Look", (), {"complete": {}, "values": {}})()
    assert [each["table"] for each in tables(look, topics=TOPICS, query="", names=False)["tables"]] == list(OF_TABLE)


def test_no_other_place_names_the_kinds() -> None:
    """A list of them anywhere else is a place that a further kind would be missing from."""
    pattern = re.compile(r'"(?:metrics|journal)", *"(?:metrics|journal)"|== "(?:metrics|journal)"')
    found = [
        f"{path.relative_to(ROOT)}: {line.strip()}"
        for package in ("contracts", "runtime", "stream_workers", "cli", "bench")
        for path in sorted(Path(ROOT, package).rglob("*.py"))
        for line in path.read_text().splitlines()
        if pattern.search(line)
    ]
    assert found == []
