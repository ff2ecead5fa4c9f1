"""The manifests are valid, hang together, and say nothing that the code does not know."""

import re
from typing import Any

import kubernetes_validate  # type: ignore[import-untyped]
import pytest
import yaml

from cli.environment import known_names
from contracts import Topics
from gateway.settings import Settings
from stream_workers.kinds import KINDS
from tests.support.commands import ROOT, exists, options

FOLDER = ROOT / "deploy/kubernetes"
KUBERNETES = "1.34"
KUSTOMIZATION: dict[str, Any] = yaml.safe_load((FOLDER / "kustomization.yaml").read_text())

Manifest = dict[str, Any]


def _manifests() -> list[Manifest]:
    return [
        document
        for path in sorted(FOLDER.glob("*.yaml"))
        if path.name != "kustomization.yaml"
        for document in yaml.safe_load_all(path.read_text())
    ]


MANIFESTS = _manifests()
PODS = {m["metadata"]["name"]: m["spec"]["template"] for m in MANIFESTS if "template" in m.get("spec", {})} | {
    m["metadata"]["name"]: m["spec"]["jobTemplate"]["spec"]["template"] for m in MANIFESTS if m["kind"] == "CronJob"
}
KEDA = [m for m in MANIFESTS if m["kind"] == "ScaledObject"]


def name_of(manifest: Manifest) -> str:
    return f"{manifest['kind']}-{manifest['metadata']['name']}"


def _container(pod: str) -> dict[str, Any]:
    (container,) = PODS[pod]["spec"]["containers"]
    assert isinstance(container, dict)
    return container


def _told() -> str:
    return (ROOT / "docs/kubernetes.md").read_text()


def secrets_to_make() -> dict[str, set[str]]:
    """What docs/kubernetes.md has one make: each secret with its keys."""
    made = re.findall(r"create secret generic ([\w-]+)((?:[ \\\n]+--from-\S+)+)", _told())
    return {name: set(re.findall(r"--from-\w+=([\w.]+)=", keys)) for name, keys in made}


@pytest.mark.parametrize("manifest", [m for m in MANIFESTS if m["kind"] != "ScaledObject"], ids=name_of)
def test_it_is_what_kubernetes_takes(manifest: Manifest) -> None:
    kubernetes_validate.validate(manifest, KUBERNETES, strict=True)


def test_everything_is_applied() -> None:
    assert set(KUSTOMIZATION["resources"]) == {p.name for p in FOLDER.glob("*.yaml")} - {"kustomization.yaml"}


def test_values_for_all_are_settings_that_exist() -> None:
    (generated,) = KUSTOMIZATION["configMapGenerator"]
    assert {literal.split("=")[0] for literal in generated["literals"]} <= known_names()


@pytest.mark.parametrize("pod", PODS)
def test_the_pod_runs_a_command_that_exists_with_settings_that_exist(pod: str) -> None:
    container = _container(pod)
    words = [word for word in container["args"] if not word.startswith("--")]
    assert exists(*words)
    assert {word for word in container["args"] if word.startswith("--")} <= options(*words)
    assert {variable["name"] for variable in container.get("env", [])} <= known_names()
    assert [each["configMapRef"]["name"] for each in container["envFrom"]] == ["headgate"]


@pytest.mark.parametrize("pod", PODS)
def test_secrets_are_referred_to_and_never_written(pod: str) -> None:
    secret = {"DATABASE_URL", "DATABASE_READ_URL", "WORKER_WEB_TOKEN"}
    written = [v["name"] for v in _container(pod).get("env", []) if "value" in v and v["name"] in secret]
    assert written == []


@pytest.mark.parametrize("pod", PODS)
def test_its_secrets_are_those_that_one_is_told_to_make(pod: str) -> None:
    """Under the name of the setting, each; and what owns the tables is with those alone that change them."""
    changes = PODS[pod]["metadata"]["labels"]["app.kubernetes.io/name"] in {"headgate-migrate", "headgate-retention"}
    for variable in _container(pod).get("env", []):
        if reference := variable.get("valueFrom", {}).get("secretKeyRef"):
            assert reference["key"] == variable["name"]
            assert reference.get("optional") or reference["key"] in secrets_to_make()[reference["name"]]
            assert reference["name"] == ("headgate-owner" if changes else "headgate")


def test_the_role_that_gets_its_grants_is_the_one_that_services_run_as() -> None:
    role = _container("headgate-migrate")["args"][-1]
    assert f"--from-literal=DATABASE_URL=postgresql://{role}:" in _told()


@pytest.mark.parametrize("pod", [pod for pod in PODS if "worker" in pod or "gateway" in pod])
def test_its_port_is_the_one_that_it_listens_on(pod: str) -> None:
    (port,) = _container(pod)["ports"]
    given = {v["name"]: v.get("value") for v in _container(pod)["env"]}
    listens = given.get("WORKER_WEB_PORT", str(Settings.model_fields["gateway_port"].default))
    assert str(port["containerPort"]) == listens == PODS[pod]["metadata"]["annotations"]["prometheus.io/port"]
    probes = [_container(pod)[f"{kind}Probe"]["httpGet"]["port"] for kind in ("startup", "liveness", "readiness")]
    (service,) = [m for m in MANIFESTS if (m["kind"], m["metadata"]["name"]) == ("Service", pod)]
    assert {*probes, *(each["targetPort"] for each in service["spec"]["ports"])} == {port["name"]}


@pytest.mark.parametrize("pod", [pod for pod in PODS if "worker" in pod or "gateway" in pod])
def test_what_is_mounted_is_a_volume(pod: str) -> None:
    assert {m["name"] for m in _container(pod)["volumeMounts"]} == {v["name"] for v in PODS[pod]["spec"]["volumes"]}


@pytest.mark.parametrize("pod", PODS)
def test_the_pod_has_no_power_that_it_does_not_need(pod: str) -> None:
    spec, container = PODS[pod]["spec"], _container(pod)
    assert spec["securityContext"]["runAsNonRoot"] is True
    assert spec["automountServiceAccountToken"] is False
    assert spec["enableServiceLinks"] is False
    assert container["securityContext"]["readOnlyRootFilesystem"] is True
    assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}


@pytest.mark.parametrize(
    "manifest", [m for m in MANIFESTS if m["kind"] in {"Service", "PodDisruptionBudget"}], ids=name_of
)
def test_it_finds_its_pods(manifest: Manifest) -> None:
    selector = manifest["spec"]["selector"]
    wanted = selector.get("matchLabels", selector)
    assert any(wanted.items() <= template["metadata"]["labels"].items() for template in PODS.values())


@pytest.mark.parametrize(
    "manifest", [m for m in MANIFESTS if m["kind"] in {"HorizontalPodAutoscaler", "ScaledObject"}], ids=name_of
)
def test_it_scales_something_that_exists_and_leaves_the_number_to_it(manifest: Manifest) -> None:
    target = manifest["spec"]["scaleTargetRef"]
    (found,) = [m for m in MANIFESTS if (m["kind"], m["metadata"]["name"]) == (target["kind"], target["name"])]
    assert "replicas" not in found["spec"]


@pytest.mark.parametrize("scaled", KEDA, ids=name_of)
def test_workers_follow_their_own_lag_and_are_no_more_than_the_partitions(scaled: Manifest) -> None:
    (trigger,) = scaled["spec"]["triggers"]
    values = dict(literal.split("=") for literal in KUSTOMIZATION["configMapGenerator"][0]["literals"])
    topics = Topics("")
    assert scaled["spec"]["maxReplicaCount"] == int(values["KAFKA_PARTITIONS"])
    assert trigger["type"] == "kafka"
    assert trigger["metadata"]["topic"] == topics.applications
    assert trigger["metadata"]["bootstrapServersFromEnv"] in values
    assert trigger["metadata"]["consumerGroup"] in {kind.group(topics) for kind in KINDS.values()}
    assert scaled["metadata"]["name"].endswith(trigger["metadata"]["consumerGroup"])
    assert all(isinstance(value, str) for value in trigger["metadata"].values())


@pytest.mark.parametrize("pod", [pod for pod in PODS if "worker" in pod or "gateway" in pod])
def test_alive_and_ready_are_asked_apart(pod: str) -> None:
    container = _container(pod)
    assert container["livenessProbe"]["httpGet"]["path"] == "/livez"
    assert container["readinessProbe"]["httpGet"]["path"] == "/readyz"


@pytest.mark.parametrize("pod", [pod for pod in PODS if "worker" in pod])
def test_a_worker_keeps_its_name_in_the_group(pod: str) -> None:
    (identity,) = [v for v in _container(pod)["env"] if v["name"] == "WORKER_INSTANCE_ID"]
    assert identity["valueFrom"]["fieldRef"]["fieldPath"] == "metadata.name"
