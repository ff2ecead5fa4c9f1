"""What the gateway counts: bounded labels, true buckets, and several processes told apart."""

import random
import re
import string
from pathlib import Path

from prometheus_client.metrics_core import Metric
from prometheus_client.parser import text_string_to_metric_families
from starlette.routing import Route

from gateway.api import exposition, health_routes, metrics_route, routes
from gateway.observability.metrics import UNMATCHED, Metrics, route_of
from gateway.observability.siblings import Siblings
from gateway.pages import docs, form, problem_pages
from runtime.exposition import Histogram, page


def test_ten_thousand_paths_make_few_series() -> None:
    metrics, dice = Metrics(), random.Random(1)
    for number in range(10_000):
        text = "".join(dice.choices(string.printable, k=8))
        for path in (f"/{text}", f"/applications/{number}", f"/static/{text}", text, f"/problems/{text}/{number}"):
            metrics.request(dice.choice(["GET", "POST", text]), path, 404, 0.001)
    assert len(metrics.requests) < 30


def test_every_declared_route_has_its_own_label() -> None:
    declared = [
        route.path
        for module in (routes, health_routes, metrics_route, docs, problem_pages, form)
        for route in module.router.routes
        if isinstance(route, Route)
    ]
    assert len(declared) > 10
    for path in [*declared, "/openapi.json", "/static/x.css"]:
        assert route_of(path) != UNMATCHED, path
    templates = {re.sub(r":\w+}", "}", path) for path in declared}
    assert {route_of(path) for path in declared} == templates


def test_a_path_that_is_spelled_like_a_template_is_nothing_special() -> None:
    metrics = Metrics()
    metrics.request("GET", UNMATCHED, 404, 0.1)
    metrics.request("GET", "/elsewhere", 404, 0.1)
    assert list(metrics.requests) == [("GET", UNMATCHED, 404)]


def test_buckets_are_cumulative_and_inclusive() -> None:
    metrics = Metrics()
    metrics.commit_size = Histogram((1, 2, 5))
    for size in (1, 2, 2, 5, 6):
        metrics.commit_size.observe(size)
    text = page(exposition.counted(metrics)).decode()
    lines = [line for line in text.splitlines() if line.startswith("headgate_commit_batch_size")]
    assert lines == [
        'headgate_commit_batch_size_bucket{le="1.0"} 1.0',
        'headgate_commit_batch_size_bucket{le="2.0"} 3.0',
        'headgate_commit_batch_size_bucket{le="5.0"} 4.0',
        'headgate_commit_batch_size_bucket{le="+Inf"} 5.0',
        "headgate_commit_batch_size_count 5.0",
        "headgate_commit_batch_size_sum 16.0",
    ]


async def test_siblings_tell_each_others_figures(tmp_path: Path) -> None:
    def figures(count: int) -> list[Metric]:
        metrics = Metrics()
        metrics.replays = count
        families = list(exposition.counted(metrics))
        for family in families:
            family.samples = [sample._replace(labels={"process": str(count)}) for sample in family.samples]
        return families

    first, second = Siblings(tmp_path, "0"), Siblings(tmp_path, "1")
    (tmp_path / "2").touch()  # one that was killed
    await first.start(lambda: figures(3))
    await second.start(lambda: figures(4))
    try:
        told = page([*figures(3), *await first.families()]).decode()
    finally:
        first.stop()
        second.stop()
    replays = [family for family in text_string_to_metric_families(told) if "replays" in family.name]
    assert [(sample.labels["process"], sample.value) for sample in replays[0].samples] == [("3", 3.0), ("4", 4.0)]
    assert len(replays) == 1
