"""Ready requests for people's tools, made from the OpenAPI document: a Postman collection and an `.http` file."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

_SCHEMA = "https://schema.getpostman.com/json/collection/v2.1.0/collection.json"
_GATEWAY = "http://127.0.0.1:8000"
# What a reader would fill in for a parameter; the others are left out.
_SAMPLES = {"user_name": "Anna", "size": "20", "id": "{{id}}"}


@dataclass(frozen=True)
class Call:
    """One call with a body to send, if it takes one; ``path`` has `{{id}}` where an id belongs."""

    title: str
    method: str
    path: str
    query: dict[str, str]
    content_type: str
    body: str


def calls(document: dict[str, Any]) -> list[Call]:
    """Every call of the document, one for each content type that it takes."""
    return [
        call
        for path, operations in document["paths"].items()
        for method, operation in operations.items()
        for call in _of_operation(path, method.upper(), operation)
    ]


def postman(document: dict[str, Any]) -> str:
    """The collection, in Postman's format 2.1; the gateway's address and the id are its variables."""
    collection = {
        "info": {"name": document["info"]["title"], "schema": _SCHEMA},
        "variable": [{"key": "gateway", "value": _GATEWAY}, {"key": "id", "value": ""}],
        "item": [_item(call) for call in calls(document)],
    }
    return json.dumps(collection, indent=2, ensure_ascii=False) + "\n"


def http_file(document: dict[str, Any]) -> str:
    """The same for the HTTP clients of JetBrains' editors and Visual Studio Code."""
    head = f"@gateway = {_GATEWAY}\n@id = 00000000-0000-7000-8000-000000000000\n"
    return "\n".join([head, *map(_request, calls(document))])


def _of_operation(path: str, method: str, operation: dict[str, Any]) -> Iterator[Call]:
    in_query = [found["name"] for found in operation.get("parameters", []) if found["in"] == "query"]
    query = {name: _SAMPLES[name] for name in in_query if name in _SAMPLES}
    title = operation["summary"]
    filled = path.replace("{id}", _SAMPLES["id"])
    bodies = operation.get("requestBody", {}).get("content", {})
    if not bodies:
        yield Call(title, method, filled, query, "", "")
    for content_type, content in bodies.items():
        label = title if len(bodies) == 1 else f"{title} as {content_type}"
        yield Call(label, method, filled, query, content_type, _body(content))


def _body(content: dict[str, Any]) -> str:
    example = next(iter(content["examples"].values()))["value"]
    return example if isinstance(example, str) else json.dumps(example, indent=2, ensure_ascii=False)


def _target(call: Call) -> str:
    query = "&".join(f"{name}={value}" for name, value in call.query.items())
    return f"{{{{gateway}}}}{call.path}" + (f"?{query}" if query else "")


def _item(call: Call) -> dict[str, Any]:
    request: dict[str, Any] = {"method": call.method, "header": [], "url": _target(call)}
    if call.body:
        request["header"] = [{"key": "Content-Type", "value": call.content_type}]
        request["body"] = {"mode": "raw", "raw": call.body}
    return {"name": call.title, "request": request}


def _request(call: Call) -> str:
    lines = [f"### {call.title}", f"{call.method} {_target(call)}"]
    if call.body:
        lines += [f"Content-Type: {call.content_type}", "", call.body.rstrip()]
    return "\n".join(lines) + "\n"
