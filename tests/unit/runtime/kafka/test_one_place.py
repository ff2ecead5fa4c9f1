"""Every client of Kafka is made in one place: one that is made elsewhere would not get into a secured Kafka."""

import ast
from collections.abc import Iterator
from pathlib import Path

from tests.support.commands import ROOT

# Consumers of others, as they would write them: each is a program of its own.
_FOREIGN = "examples"
_PLACE = "runtime/kafka/clients.py"
_CLIENTS = {"AIOKafkaProducer", "AIOKafkaConsumer", "AIOKafkaAdminClient", "AIOKafkaClient", "AIOKafkaConnection"}
_APPS = {"App", "BatchApp"}
# Apps that are looked at and never started.
_LOOKED_AT = "tests/unit/stream_workers/kafka/test_faust_internals.py"


def calls(source: str) -> Iterator[ast.Call]:
    return (node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Call))


def called(call: ast.Call) -> str:
    function = call.func
    return function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")


def gets_in(call: ast.Call) -> bool:
    """Whether a Faust app is given what ``faust_options`` says."""
    values = [keyword.value for keyword in call.keywords if keyword.arg is None]
    return any(isinstance(value, ast.Call) and called(value) == "faust_options" for value in values)


def made(source: str) -> list[str]:
    """What this source makes by itself."""
    clients = [called(call) for call in calls(source) if called(call) in _CLIENTS | {"create_conn"}]
    return clients + [called(call) for call in calls(source) if called(call) in _APPS and not gets_in(call)]


def modules() -> list[Path]:
    packages = [folder for folder in ROOT.iterdir() if (folder / "__init__.py").exists() and folder.name != _FOREIGN]
    return [path for folder in packages for path in folder.rglob("*.py")]


def test_no_client_is_made_elsewhere() -> None:
    found = {str(path.relative_to(ROOT)): made(path.read_text()) for path in modules()}
    assert set(found.pop(_LOOKED_AT)) == _APPS
    assert set(found.pop(_PLACE)) == _CLIENTS - {"AIOKafkaConnection"}
    assert {path: names for path, names in found.items() if names} == {}


def test_one_that_is_made_elsewhere_is_found() -> None:
    assert made("a = aiokafka.AIOKafkaProducer(bootstrap_servers=b)") == ["AIOKafkaProducer"]
    assert made("app = faust.App('id', broker='kafka://')") == ["App"]
    assert made("app = faust.App('id', **faust_options(kafka))") == []


def test_addresses_alone_lead_nowhere() -> None:
    """Whoever takes the setting itself would leave out how to get in."""
    found = [
        str(path.relative_to(ROOT))
        for path in modules()
        if path.is_relative_to(ROOT / "gateway") or path.is_relative_to(ROOT / "stream_workers")
        if "kafka_bootstrap_servers" in path.read_text()
    ]
    assert found == []
