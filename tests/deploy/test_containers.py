"""Dockerfile and docker-compose.yaml say nothing that the code does not know. `make images` builds and runs both."""

import re
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from cli.environment import known_names
from tests.support.commands import ROOT, exists

DOCKERFILE = (ROOT / "Dockerfile").read_text()
COMPOSE_TEXT = (ROOT / "docker-compose.yaml").read_text()
COMPOSE: dict[str, Any] = yaml.safe_load(COMPOSE_TEXT)
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
OURS = {name: service for name, service in SERVICES.items() if service["image"] == "headgate:latest"}


def test_nothing_is_named_twice() -> None:
    """Docker's parser refuses a mapping that names a key twice; this one would take the last."""
    mappings = [node for node in _nodes(yaml.compose(COMPOSE_TEXT)) if isinstance(node, yaml.MappingNode)]
    twice = [
        name for node in mappings for name, times in Counter(key.value for key, _ in node.value).items() if times > 1
    ]
    assert twice == []


@pytest.mark.parametrize("name", OURS)
def test_the_service_runs_a_command_that_exists(name: str) -> None:
    assert exists(*OURS[name]["command"])


def test_the_image_runs_a_command_that_exists() -> None:
    default = re.search(r'^CMD \["(\w+)"\]$', DOCKERFILE, re.MULTILINE)
    assert default
    assert exists(default[1])
    assert 'ENTRYPOINT ["headgate"]' in DOCKERFILE, "in the exec form: signals reach the process"


@pytest.mark.parametrize("name", OURS)
def test_the_service_is_given_settings_that_exist(name: str) -> None:
    assert set(OURS[name]["environment"]) <= known_names()


def test_the_image_sets_settings_that_exist() -> None:
    ours = {"PATH", "PYTHONUNBUFFERED", "PYTHONDONTWRITEBYTECODE"} | known_names()
    runtime = DOCKERFILE.split("\nFROM ")[-1]
    assert set(re.findall(r"^(?:ENV|   ) ([A-Z_]+)=", runtime, re.MULTILINE)) <= ours


def test_what_the_compose_file_asks_the_environment_for_is_a_setting() -> None:
    asked = re.findall(r"\$\{([A-Z_]+)", COMPOSE_TEXT)
    assert set(asked) <= known_names()


@pytest.mark.parametrize("name", OURS)
def test_the_service_has_no_power_that_it_does_not_need(name: str) -> None:
    service = OURS[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]


def test_the_image_runs_as_a_number_that_is_not_root() -> None:
    assert re.search(r"^USER [1-9]\d+:[1-9]\d+$", DOCKERFILE, re.MULTILINE)


def test_no_password_meets_a_port_that_others_can_reach() -> None:
    published = [port for service in SERVICES.values() for port in service.get("ports", [])]
    assert published
    assert all(port.startswith("127.0.0.1:") for port in published)


def test_what_is_mounted_is_there() -> None:
    mounted = [volume for service in SERVICES.values() for volume in service.get("volumes", [])]
    folders = [volume.split(":")[0] for volume in mounted if volume.startswith("./")]
    assert [folder for folder in folders if not (ROOT / folder).is_dir()] == []


def test_the_image_holds_every_package_of_the_services() -> None:
    copied = set(re.findall(r"^COPY (\w+) \1$", DOCKERFILE, re.MULTILINE))
    let_in = set(re.findall(r"^!(\w+)$", (ROOT / ".dockerignore").read_text(), re.MULTILINE))
    packages = set(re.findall(r'"(\w+)"', _module_names()))
    assert copied == packages
    assert copied <= let_in


def _nodes(node: yaml.Node | None) -> Iterator[yaml.Node]:
    """The node and all below it."""
    if isinstance(node, yaml.CollectionNode):
        yield node
        for child in node.value:
            for one in child if isinstance(child, tuple) else (child,):
                yield from _nodes(one)


def _module_names() -> str:
    found = re.search(r"^module-name = \[(.*?)\]", (ROOT / "pyproject.toml").read_text(), re.MULTILINE)
    assert found
    return found[1]
