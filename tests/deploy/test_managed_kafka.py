"""What Compose and Kubernetes get for a managed Kafka: settings that exist, secrets by reference, places that are."""

import copy
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from cli.environment import known_names
from runtime.kafka.access.combinations import refuse_impossible
from runtime.kafka.access.settings import AccessSettings
from tests.deploy.test_kubernetes import FOLDER, KUSTOMIZATION, MANIFESTS, name_of, secrets_to_make
from tests.support.commands import ROOT

COMPONENT: dict[str, Any] = yaml.safe_load((FOLDER / "managed-kafka/kustomization.yaml").read_text())


class Compose(yaml.SafeLoader):
    """Knows Compose's own tags."""


Compose.add_constructor("!reset", lambda *_: None)
OVERRIDE: dict[str, Any] = yaml.load((ROOT / "deploy/managed-kafka.compose.yaml").read_text(), Compose)  # noqa: S506 -- safe
STOCK: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yaml").read_text())
IN_CLUSTER = dict(literal.split("=", 1) for literal in COMPONENT["configMapGenerator"][0]["literals"])
IN_COMPOSE: dict[str, str] = OVERRIDE["x-access"]["environment"]


def _specs(*manifests: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Of the pods that are made from these."""
    for manifest in manifests:
        spec = manifest.get("spec", {})
        template = spec.get("jobTemplate", {}).get("spec", spec).get("template")
        if template:
            yield template["spec"]


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
    assert [manifest for manifest in MANIFESTS if manifest["kind"] in patch["target"]["kind"].split("|")]
    for manifest in copy.deepcopy(MANIFESTS):
        _patched(manifest, patch)


@pytest.mark.parametrize("manifest", [m for m in MANIFESTS if list(_specs(m))], ids=name_of)
def test_every_pod_has_the_files_that_its_settings_name(manifest: dict[str, Any]) -> None:
    """All pods read the same settings, and one that cannot be honoured stops whatever is started with it."""
    changed = copy.deepcopy(manifest)
    for patch in COMPONENT["patches"]:
        _patched(changed, patch)
    for spec in _specs(changed):
        mounted = {m["mountPath"]: m["name"] for m in spec["containers"][0]["volumeMounts"]}
        volumes = {volume["name"]: volume for volume in spec["volumes"]}
        files = [Path(value) for value in IN_CLUSTER.values() if value.startswith("/")]
        assert files
        for file in files:
            secret = volumes[mounted[str(file.parent)]]["secret"]["secretName"]
            assert file.name in secrets_to_make()[secret]


def test_the_autoscaler_gets_in_as_the_workers_do() -> None:
    (trigger,) = [yaml.safe_load((FOLDER / "managed-kafka" / name).read_text()) for name in COMPONENT["resources"]]
    assert trigger["metadata"]["namespace"] == KUSTOMIZATION["namespace"]
    assert {one["name"] for one in trigger["spec"]["env"]} <= IN_CLUSTER.keys()
    for one in trigger["spec"]["secretTargetRef"]:
        assert one["key"] in secrets_to_make()[one["name"]]
    wanted = IN_CLUSTER["KAFKA_SASL_MECHANISM"].lower().replace("sha-", "sha").replace("-", "_")
    for one in copy.deepcopy([m for m in MANIFESTS if m["kind"] == "ScaledObject"]):
        for patch in COMPONENT["patches"]:
            _patched(one, patch)
        (found,) = one["spec"]["triggers"]
        assert found["authenticationRef"]["name"] == trigger["metadata"]["name"]
        assert found["metadata"]["sasl"] == wanted
        (spec,) = _specs(*(m for m in MANIFESTS if name_of(m) == f"StatefulSet-{one['metadata']['name']}"))
        assert {each["containerName"] for each in trigger["spec"]["env"]} == {spec["containers"][0]["name"]}


def _patched(manifest: dict[str, Any], patch: dict[str, Any]) -> None:
    """As kustomize does it, for what the patches here say: ``add`` alone, where nothing is yet or at a list's end."""
    if manifest["kind"] not in patch["target"]["kind"].split("|"):
        return
    for step in yaml.safe_load(patch["patch"]):
        *folders, last = step["path"].strip("/").split("/")
        place: Any = manifest
        for folder in folders:
            place = place[int(folder) if folder.isdigit() else folder]
        assert step["op"] == "add"
        if last == "-":
            place.append(step["value"])
        else:
            assert last not in place
            place[last] = step["value"]
