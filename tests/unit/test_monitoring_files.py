"""Alerts, dashboards and runbook: they name metrics that exist, and each other."""

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from runtime.exposition import page
from tests.support.commands import ROOT
from tests.support.exposed import exposed, gateway_families, worker_families

ALERTS = ROOT / "deploy/prometheus/alerts.yaml"
TESTS = ROOT / "tests/prometheus/alerts.test.yaml"
RUNBOOK = ROOT / "docs/runbook"
DASHBOARDS = sorted((ROOT / "deploy/grafana/dashboards").glob("*.json"))

# Of the Python client and of Prometheus itself.
FOREIGN = {"up", "process_cpu_seconds_total", "process_resident_memory_bytes", "process_open_fds"}


def test_every_metric_that_is_queried_exists() -> None:
    names = exposed()
    for expression in [*_alert_expressions(), *_dashboard_expressions()]:
        queried = set(re.findall(r"\b(?:headgate|process)_\w+|\bup\b", expression))
        assert queried, expression
        assert queried <= names | FOREIGN, expression


def test_every_metric_is_on_a_dashboard() -> None:
    text = "\n".join(_dashboard_expressions())
    missing = {re.sub("_(bucket|count|sum)$", "", name) for name in exposed()}
    assert {name for name in missing if name not in text} == set()


def test_every_metric_is_explained() -> None:
    explained = set(re.findall(r"`(headgate_\w+)`", (ROOT / "docs/observability.md").read_text()))
    assert explained == {re.sub("_(bucket|count|sum)$", "", name) for name in exposed()}


@pytest.mark.parametrize("page", [*RUNBOOK.glob("*.md"), ROOT / "docs/operations.md"], ids=lambda page: page.name)
def test_every_metric_that_a_page_names_exists(page: Path) -> None:
    names = exposed()
    families = {re.sub("_(bucket|count|sum)$", "", name) for name in names}
    assert set(re.findall(r"\bheadgate_\w+", page.read_text())) <= names | families


def test_every_alert_has_its_page_and_its_tests() -> None:
    rules = _rules()
    tests = TESTS.read_text()
    for rule in rules:
        page = ROOT / rule["annotations"]["runbook"]
        assert page.read_text().startswith(f"# {rule['alert']}\n")
        assert f"runbook: {rule['annotations']['runbook']}" in tests, "a case in which it fires"
        assert f"alertname: {rule['alert']}, eval_time: 50m, exp_alerts: []" in tests, "a case in which it does not"
    pages = {path.name for path in RUNBOOK.glob("*.md")} - {"README.md"}
    assert pages == {Path(rule["annotations"]["runbook"]).name for rule in rules}
    index = (RUNBOOK / "README.md").read_text()
    assert all(f"]({page})" in index for page in pages)


def test_dashboards_stand_alone() -> None:
    boards = [json.loads(path.read_text()) for path in DASHBOARDS]
    assert len({board["uid"] for board in boards}) == len(boards) == 2
    source = yaml.safe_load((ROOT / "deploy/grafana/provisioning/datasources/prometheus.yaml").read_text())
    uid = source["datasources"][0]["uid"]
    for board in boards:
        ids = [panel["id"] for panel in board["panels"]]
        assert len(set(ids)) == len(ids)
        used = [target["datasource"]["uid"] for panel in board["panels"] for target in panel.get("targets", ())]
        assert set(used) == {uid}


@pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool (Debian package prometheus) is not installed")
@pytest.mark.parametrize(
    "arguments",
    [
        ("check", "rules", "deploy/prometheus/alerts.yaml"),
        ("check", "config", "deploy/prometheus/prometheus.yaml"),
        ("test", "rules", "tests/prometheus/alerts.test.yaml"),
    ],
    ids=["rules", "config", "cases"],
)
def test_promtool_is_content(arguments: tuple[str, ...]) -> None:
    done = subprocess.run(["promtool", *arguments], cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool (Debian package prometheus) is not installed")
def test_promtool_accepts_the_pages() -> None:
    for families in (gateway_families(), worker_families()):
        text = page(families)
        done = subprocess.run(
            ["promtool", "check", "metrics"], input=text, capture_output=True, timeout=60, check=False
        )
        assert done.returncode == 0, done.stderr


def _rules() -> list[dict[str, Any]]:
    return [rule for group in yaml.safe_load(ALERTS.read_text())["groups"] for rule in group["rules"]]


def _alert_expressions() -> list[str]:
    return [rule["expr"] for rule in _rules()]


def _dashboard_expressions() -> list[str]:
    boards = [json.loads(path.read_text()) for path in DASHBOARDS]
    return [target["expr"] for board in boards for panel in board["panels"] for target in panel.get("targets", ())]
