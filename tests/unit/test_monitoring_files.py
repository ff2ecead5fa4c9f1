"""Alerts, dashboards and runbook: they name metrics that exist, and each other."""

import json
import re
import shutil
import subprocess
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml
from prometheus_client.metrics_core import Metric

from gateway.api import exposition as gateway_exposition
from gateway.observability.metrics import Metrics
from runtime.exposition import page
from stream_workers.exact.partitions import Figures
from stream_workers.exact.telemetry import Telemetry
from stream_workers.kinds import METRICS
from stream_workers.settings import Settings
from stream_workers.web.look.snapshot import Snapshot
from stream_workers.web.serving import exposition as worker_exposition
from tests.support.commands import ROOT

ALERTS = ROOT / "deploy/prometheus/alerts.yaml"
TESTS = ROOT / "tests/prometheus/alerts.test.yaml"
RUNBOOK = ROOT / "docs/runbook"
DASHBOARDS = sorted((ROOT / "deploy/grafana/dashboards").glob("*.json"))

# Of the Python client and of Prometheus itself.
FOREIGN = {"up", "process_cpu_seconds_total", "process_resident_memory_bytes", "process_open_fds"}

_SUFFIXES = {"counter": ("_total",), "histogram": ("_bucket", "_count", "_sum"), "gauge": ("",)}


def exposed() -> set[str]:
    """The name of every series that the services can show."""
    families = [*_gateway_families(), *_worker_families()]
    return {family.name + suffix for family in families for suffix in _SUFFIXES[family.type]}


def _gateway_families() -> list[Metric]:
    return [
        *gateway_exposition.counted(Metrics()),
        *gateway_exposition.standing(_gateway()),
        *gateway_exposition.replicated(_plain(reads={}, usable=True, lag=0.0)),
        *gateway_exposition.limiting(_plain(fallbacks=0, away=False)),
        *gateway_exposition.shared(_report()),
    ]


def _worker_families() -> list[Metric]:
    return [
        *worker_exposition.histograms(Telemetry(Settings(_env_file=None), METRICS)),
        *worker_exposition.figures(Figures()),
        *worker_exposition.lags(_plain(behind=dict), {}),
        *worker_exposition.states(_worker()),
        *worker_exposition.counted(_snapshot()),
    ]


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
    for families in (_gateway_families(), _worker_families()):
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


def _plain(**fields: object) -> Any:
    return SimpleNamespace(**fields)


def _gateway() -> Any:
    return SimpleNamespace(
        writer=SimpleNamespace(committed=0, queue=()),
        publisher=SimpleNamespace(published=0, in_memory=0, state="memory"),
        recovery=SimpleNamespace(already_there=0, sent=0, set_aside=0, claimed=0, phases={}, stopped={}),
        keeper=SimpleNamespace(lease=None),
        draining=False,
    )


def _report() -> dict[str, Any]:
    outbox = {"batches": 0, "oldest_seconds": 0.0}
    database = {"status": "ok", "outbox": outbox, "unpublishable": 0, "leases_being_drained": 0, "next_month": True}
    return {"dependencies": {"postgresql": database, "kafka": {"status": "ok"}}}


def _worker() -> Any:
    return SimpleNamespace(
        missing=lambda: None,
        partitions=SimpleNamespace(owned={}),
        backlog=SimpleNamespace(as_of=1.0, away_since=None),
    )


def _snapshot() -> Snapshot:
    fields: dict[str, Any] = dict.fromkeys(Snapshot.__dataclass_fields__, 0)
    return Snapshot(**fields | {"complete": True, "dead_reasons": {}, "partitions": ()})
