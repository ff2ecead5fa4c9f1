"""The contract of the events that consumers read: as a document for programs, and as a page that needs no script."""

import json
from collections.abc import Iterator
from typing import Any

from fastapi import APIRouter, Request, Response

from contracts.asyncapi import document, text
from gateway.api.front import front_of
from gateway.intake.body import JSON
from gateway.pages.html import page

router = APIRouter(include_in_schema=False)


@router.get("/asyncapi.json")
async def asyncapi(request: Request) -> Response:
    """AsyncAPI 3, with the topic names of this installation."""
    return Response(text(_document(request)), media_type=JSON)


@router.get("/asyncapi")
async def events(request: Request) -> Response:
    """The same for people."""
    found = _document(request)
    messages = found["components"]["messages"]
    channels = [(channel, messages[name]) for channel in found["channels"].values() for name in channel["messages"]]
    return page(
        request,
        "events.html",
        info=found["info"],
        channels=channels,
        tables=_tables,
        examples=_examples,
    )


def _document(request: Request) -> dict[str, Any]:
    return document(front_of(request).settings.topics)


def _tables(message: dict[str, Any]) -> Iterator[tuple[str, list[tuple[str, str, str]]]]:
    """Headers and value of a message, field by field: name, form, meaning."""
    for caption, part in (("Headers", "headers"), ("Value", "payload")):
        shape = message.get(part, {})
        fields = shape.get("properties", {}) | shape.get("patternProperties", {})
        if fields:  # a mark has no value
            yield caption, [(name, _form(field), field.get("description", "")) for name, field in fields.items()]


def _form(field: dict[str, Any]) -> str:
    if "const" in field:
        return str(field["const"])
    form = field.get("format") or field.get("type") or ", ".join(field["enum"])
    return f"{form}, {field['minLength']}–{field['maxLength']}" if "maxLength" in field else str(form)  # noqa: RUF001 -- a range, for people


def _examples(message: dict[str, Any]) -> Iterator[tuple[str, str]]:
    for example in message.get("examples", ()):
        parts = (json.dumps(example[part], indent=2, ensure_ascii=False) for part in ("headers", "payload"))
        yield example["name"], "\n".join(parts)
