"""The contract as documents: AsyncAPI 3 and JSON Schema, made from the models, so that they cannot differ from them.

Source: AsyncAPI 3.0.0; its Kafka bindings 0.5.0; JSON Schema 2020-12. ``CONTRACT_VERSION`` follows docs/events.md.
"""

import json
from importlib.resources import files
from typing import Any

from contracts.application import Application
from contracts.codec import EVENT_SOURCE, EVENT_TYPE, REPLAYED_HEADER
from contracts.topics import Topics

CONTRACT_VERSION = "1.0.0"

Json = dict[str, Any]

_DESCRIPTION = """\
Applications that people submitted, each exactly once: accepted over HTTP, stored, then published here.

Delivery to a consumer is at least once, as always with Kafka: tell repeats by `ce_id`. All events of one `user_name`
are on one partition; those that one gateway process accepted are in the order of acceptance. What may change, and how
a consumer notices, is written in docs/events.md."""


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
            "deadLetters": _channel(topics.dead_letters, "Records that are no application events.", "deadLetter"),
        },
        "operations": {
            "publishApplication": _operation("applications", "The gateway publishes what it has accepted."),
            "publishDeadLetter": _operation("deadLetters", "The metrics worker sets aside what it cannot read."),
        },
        "components": {"messages": {"application": _application(), "deadLetter": _dead_letter()}},
    }


def text(value: Json) -> str:
    """A document as it is committed and served."""
    return json.dumps(value, indent=2, ensure_ascii=False) + "\n"


def _channel(topic: str, description: str, message: str) -> Json:
    return {
        "address": topic,
        "description": description,
        "messages": {message: {"$ref": f"#/components/messages/{message}"}},
        "bindings": {
            "kafka": {
                "topic": topic,
                "topicConfiguration": {"cleanup.policy": ["delete"]},
                "bindingVersion": "0.5.0",
            }
        },
    }


def _operation(channel: str, summary: str) -> Json:
    return {"action": "send", "channel": {"$ref": f"#/channels/{channel}"}, "summary": summary}


def _application() -> Json:
    payload = schema()
    del payload["$schema"]
    return {
        "name": EVENT_TYPE,
        "title": "An application was submitted",
        "summary": "A CloudEvent 1.0 in binary mode: attributes in the headers, the application itself as the value.",
        "contentType": "application/json",
        "headers": _headers(),
        "payload": payload,
        "correlationId": {"location": "$message.header#/ce_id"},
        "bindings": {
            "kafka": {"key": {"type": "string", "description": "`user_name` in UTF-8"}, "bindingVersion": "0.5.0"}
        },
        "examples": _examples(),
    }


def _headers() -> Json:
    properties: Json = {
        "ce_id": {"type": "string", "format": "uuid", "description": "the application's id: repeats have the same"},
        "ce_time": {"type": "string", "format": "date-time", "description": "`created_at`"},
        "ce_specversion": {"const": "1.0"},
        "ce_type": {"const": EVENT_TYPE, "description": "ends in the version of the value"},
        "ce_source": {"const": EVENT_SOURCE},
        "content-type": {"const": "application/json"},
        "traceparent": {"type": "string", "description": "W3C Trace Context: the submitter's trace, or a fresh one"},
    }
    replayed = {"type": "string", "description": "there only where the event was published again on purpose"}
    return {"type": "object", "required": list(properties), "properties": {**properties, REPLAYED_HEADER: replayed}}


def _dead_letter() -> Json:
    number = {"type": "string", "pattern": "^[0-9]+$"}
    properties: Json = {
        "original-topic": {"type": "string"},
        "original-partition": {**number, "description": "decimal text"},
        "original-offset": {**number, "description": "decimal text"},
        "reason": {"enum": ["invalid", "oversized", "tombstone", "unknown-version"]},
        "detail": {"type": "string"},
        "time": {"type": "string", "format": "date-time"},
    }
    more: Json = {
        "original-topic-id": {"type": "string", "description": "a topic that was made anew has another"},
        "original-key": {"type": "string", "description": "there only where the original had a key"},
        "original-size": {**number, "description": "there only where the value is cut: its bytes before"},
        "left-out": {
            "type": "string",
            "description": "what of the original is not in the letter, with commas between: headers, key, content",
        },
    }
    headers = {"type": "object", "required": list(properties), "properties": properties | more}
    return {
        "name": "dead-letter",
        "title": "A record that is no application event",
        "summary": "The original bytes; headers say where they were and why they could not be read. At least once.",
        "contentType": "application/octet-stream",
        "headers": headers,
        "bindings": {
            "kafka": {
                "key": {
                    "type": "string",
                    "description": "topic/partition/offset/topic id of the original: repeats have the same",
                },
                "bindingVersion": "0.5.0",
            }
        },
    }


def _examples() -> list[Json]:
    """The golden examples, which the codec is tested with byte for byte."""
    found = sorted((files("contracts") / "examples").iterdir(), key=lambda file: file.name)
    events = [(file.name.removesuffix(".json"), json.loads(file.read_text("utf-8"))) for file in found]
    return [
        {"name": name, "headers": dict(event["headers"]), "payload": json.loads(event["value"])}
        for name, event in events
    ]
