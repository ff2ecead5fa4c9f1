"""What Compose and Kubernetes get for a managed Kafka: settings that exist, secrets by reference, places that are."""

from typing import Any

import pytest
import yaml

from cli.environment import known_names
from runtime.kafka.access.combinations import refuse_impossible
from runtime.kafka.access.settings import AccessSettings
from tests.deploy.test_kubernetes import FOLDER, MANIFESTS
from tests.support.commands import ROOT

COMPONENT: dict[str, Any] = yaml.safe_load((FOLDER / "managed-kafka/kustomization.yaml").read_text())


class Compose(yaml.SafeLoader):
    """Knows Compose's own tags."""


Compose.add_constructor("!reset", lambda *_: None)
OVERRIDE: dict[str, Any] = yaml.load((ROOT / "deploy/managed-kafka.compose.yaml").read_text(), Compose)  # noqa: S506 -- safe
STOCK: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yaml").read_text())
IN_CLUSTER = dict(literal.split("=", 1) for literal in COMPONENT["configMapGenerator"][0]["literals"])
IN_COMPOSE: dict[str, str] = OVERRIDE["x-access"]["environment"]


@pytest.mark.parametrize("given", [IN_CLUSTER, IN_COMPOSE], ids=["kubernetes", "compose"])
def test_its_settings_exist_and_go_together(given: dict[str, str]) -> None:
    assert given.keys() <= known_names()
    names = {name.lower(): value for name, value in given.items() if name.lower() in AccessSettings.model_fields}
    values: dict[str, Any] = names | {"kafka_sasl_mechanism": "SCRAM-SHA-512"}
    refuse_impossible(AccessSettings.model_construct(**values))
    assert not [name for name, value in given.items() if "PASSWORD" in name and not value.startswith("/run/")]


def test_whoever_needs_kafka_in_compose_gets_in() -> None:
    needing = {name for name, service in STOCK["services"].items() if name.startswith(("gateway", "worker-", "topics"))}
    assert {name for name, service in OVERRIDE["services"].items() if "secrets" in service} == needing
    assert set(OVERRIDE["secrets"]) == set(OVERRIDE["x-access"]["secrets"])


@pytest.mark.parametrize("patch", COMPONENT["patches"], ids=lambda patch: patch["target"]["kind"])
def test_each_patch_finds_its_place(patch: dict[str, Any]) -> None:
    target = patch["target"]
    found = [
        manifest
        for manifest in MANIFESTS
        if manifest["kind"] in target["kind"].split("|") and target.get("name") in (None, manifest["metadata"]["name"])
    ]
    assert found
    for manifest in found:
        for step in yaml.safe_load(patch["patch"]):
            *folders, last = step["path"].strip("/").split("/")
            place: Any = manifest
            for folder in folders:
                place = place[int(folder) if folder.isdigit() else folder]
            assert isinstance(place, list) if last == "-" else last not in place
