"""The contract as documents: AsyncAPI 3 and JSON Schema, made from the models, so that they cannot differ from them.

Source: AsyncAPI 3.0.0; its Kafka bindings 0.5.0; JSON Schema 2020-12. ``CONTRACT_VERSION`` follows docs/events.md.
"""

import json
from importlib.resources import files
from typing import Any

from contracts.application import Application
from contracts.codec import EVENT_SOURCE, EVENT_TYPE, REDRIVEN_HEADER, REPLAYED_HEADER
from contracts.topics import Topics

CONTRACT_VERSION = "1.0.0"

Json = dict[str, Any]

_DESCRIPTION = """\
Applications that people submitted, each exactly once: accepted over HTTP, stored, then published here.

Delivery to a consumer is at least once, as always with Kafka: tell repeats by `ce_id`. All events of one `user_name`
are on one partition; those that one gateway process accepted are in the order of acceptance. What may change, and how
a consumer notices, is written in docs/events.md."""

_LETTERS = "Records that are no application events, and marks that say what became of them; kept for ever."
_MEANINGS = {
    "id": "of version 7, given by the gateway; `ce_id`",
    "user_name": "who submitted it, in Unicode's form NFC",
    "description": "what it says",
    "created_at": "when it was accepted, in UTC with milliseconds; the time inside the id",
}
# The key of a letter and of its marks, and what an event that was sent again says of where it was.
_ORIGIN = "topic/partition/offset/topic id of the original"


def schema() -> Json:
    """JSON Schema of an application event's value. Members may be added: consumers ignore what they do not know."""
    model = Application.model_json_schema(mode="serialization")
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": f"urn:{EVENT_TYPE.replace('.', ':')}",
        **model,
        "description": "An accepted application.",
    }


def document(topics: Topics) -> Json:
    """The AsyncAPI document of the topics that these names belong to."""
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Headgate events",
            "version": CONTRACT_VERSION,
            "description": _DESCRIPTION,
            "license": {"name": "MIT"},
        },
        "defaultContentType": "application/json",
        "channels": {
            "applications": _channel(topics.applications, "Every accepted application.", "application"),
            "deadLetters": _channel(topics.dead_letters, _LETTERS, "deadLetter", "redriveMark"),
        },
        "operations": {
            "publishApplication": _operation(
                "applications", "The gateway publishes what it has accepted.", "application"
            ),
            "publishDeadLetter": _operation(
                "deadLetters", "The metrics worker sets aside what it cannot read.", "deadLetter"
            ),
            "markRedrive": _operation("deadLetters", "A redrive says what became of a dead letter.", "redriveMark"),
        },
        "components": {
            "messages": {"application": _application(), "deadLetter": _dead_letter(), "redriveMark": _redrive_mark()}
        },
    }


def text(value: Json) -> str:
    """A document as it is committed and served."""
    return json.dumps(value, indent=2, ensure_ascii=False) + "\n"


def _channel(topic: str, description: str, *messages: str) -> Json:
    return {
        "address": topic,
        "description": description,
        "messages": {message: {"$ref": f"#/components/messages/{message}"} for message in messages},
        "bindings": {
            "kafka": {
                "topic": topic,
                "topicConfiguration": {"cleanup.policy": ["delete"]},
                "bindingVersion": "0.5.0",
            }
        },
    }


def _operation(channel: str, summary: str, message: str) -> Json:
    return {
        "action": "send",
        "channel": {"$ref": f"#/channels/{channel}"},
        "summary": summary,
        "messages": [{"$ref": f"#/channels/{channel}/messages/{message}"}],
    }


def _application() -> Json:
    payload = schema()
    del payload["$schema"]
    for name, meaning in _MEANINGS.items():
        payload["properties"][name]["description"] = meaning
    return {
        "name": EVENT_TYPE,
        "title": "An application was submitted",
        "summary": "A CloudEvent 1.0 in binary mode: attributes in the headers, the application itself as the value.",
        "contentType": "application/json",
        "headers": _headers(),
        "payload": payload,
        "correlationId": {"location": "$message.header#/ce_id"},
        "bindings": _keyed("`user_name` in UTF-8"),
        "examples": _examples(),
    }


def _headers() -> Json:
    properties: Json = {
        "ce_id": {"type": "string", "format": "uuid", "description": "the application's id: repeats have the same"},
        "ce_time": {"type": "string", "format": "date-time", "description": "`created_at`"},
        "ce_specversion": {"const": "1.0", "description": "the version of CloudEvents"},
        "ce_type": {"const": EVENT_TYPE, "description": "ends in the version of the value"},
        "ce_source": {"const": EVENT_SOURCE, "description": "who says so"},
        "content-type": {"const": "application/json", "description": "of the value, in UTF-8"},
        "traceparent": {"type": "string", "description": "W3C Trace Context: the submitter's trace, or a fresh one"},
    }
    more: Json = {
        REPLAYED_HEADER: {
            "type": "string",
            "description": "there only where the event was published again on purpose",
        },
        REDRIVEN_HEADER: {
            "type": "string",
            "description": f"there only where the event was a dead letter and was sent again: {_ORIGIN}; its other "
            "headers are the original's, as they were",
        },
    }
    return {"type": "object", "required": list(properties), "properties": properties | more}


def _dead_letter() -> Json:
    number = {"type": "string", "pattern": "^[0-9]+$"}
    properties: Json = {
        "original-topic": {"type": "string", "description": "where it was"},
        "original-partition": {**number, "description": "decimal text"},
        "original-offset": {**number, "description": "decimal text"},
        "reason": {
            "enum": ["invalid", "oversized", "tombstone", "unknown-version"],
            "description": "why it could not be read",
        },
        "detail": {"type": "string", "description": "the same in words, for people"},
        "time": {"type": "string", "format": "date-time", "description": "when it was set aside"},
    }
    more: Json = {
        "original-topic-id": {"type": "string", "description": "a topic that was made anew has another"},
        "original-key": {"type": "string", "description": "there only where the original had a key"},
        "original-size": {**number, "description": "there only where the value is cut: its bytes before"},
        "left-out": {
            "type": "string",
            "pattern": "^(headers|key|content)(,(headers|key|content))*$",
            "description": "what of the original is not in the letter, with commas between",
        },
    }
    originals: Json = {"type": "string", "description": "a header of the original: its name after the point"}
    headers = {
        "type": "object",
        "required": list(properties),
        "properties": properties | more,
        "patternProperties": {r"^original-header\.": originals},
    }
    return {
        "name": "dead-letter",
        "title": "A record that is no application event",
        "summary": "The original bytes; headers say where they were and why they could not be read. At least once.",
        "contentType": "application/octet-stream",
        "headers": headers,
        "bindings": _keyed(f"{_ORIGIN}: repeats have the same"),
    }


def _redrive_mark() -> Json:
    positions: Json = {
        "type": "string",
        "description": "JSON: the end of each partition of the applications before the letter is sent; with `intent`",
    }
    properties: Json = {
        "redrive": {
            "enum": ["intent", "done"],
            "description": "`intent` is written before the letter is sent again, `done` once Kafka has it",
        },
        "redrive-positions": positions,
    }
    return {
        "name": "redrive-mark",
        "title": "What became of a dead letter",
        "summary": "A record without a value under the letter's own key. A letter with `done` is not sent again.",
        "contentType": "application/octet-stream",
        "headers": {"type": "object", "required": ["redrive"], "properties": properties},
        "payload": {"type": "null"},
        "bindings": _keyed(f"{_ORIGIN}, as the letter's"),
    }


def _keyed(description: str) -> Json:
    return {"kafka": {"key": {"type": "string", "description": description}, "bindingVersion": "0.5.0"}}


def _examples() -> list[Json]:
    """The golden examples, which the codec is tested with byte for byte."""
    found = sorted((files("contracts") / "examples").iterdir(), key=lambda file: file.name)
    events = [(file.name.removesuffix(".json"), json.loads(file.read_text("utf-8"))) for file in found]
    return [
        {"name": name, "headers": dict(event["headers"]), "payload": json.loads(event["value"])}
        for name, event in events
    ]
