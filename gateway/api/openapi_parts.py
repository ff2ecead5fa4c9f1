"""The pieces of the OpenAPI document that several calls share: header fields, answers and their examples."""

import json
from typing import Any

from contracts import NewApplication
from gateway.intake import body, idempotency
from gateway.problems.document import MEDIA_TYPE, example, texts

Part = dict[str, Any]
Answers = dict[int | str, dict[str, Any]]

EXAMPLE_ID = "01994f3c-8a5e-7c1d-9b0a-3f6e2d1c4b5a"
APPLICATION = {
    "id": EXAMPLE_ID,
    "user_name": "Анна Ковалёва",
    "description": "A pass for the reading room",
    "created_at": "2025-09-15T19:43:07.614Z",
}
NEW_APPLICATION = {name: APPLICATION[name] for name in NewApplication.model_fields}

# Every call can be answered with these, and every limited one with the common ones.
_PROTOCOL = ("bad-request", "method-not-allowed", "headers-too-large")
_COMMON = ("unauthenticated", "forbidden", "misdirected", "rate-limited", "internal-error", "overloaded")
_STORES = ("too-slow", "queue-full", "database-unavailable", "draining")


def _header(description: str, **schema: object) -> Part:
    return {"description": description, "schema": {"type": "string"} | schema}


_ANSWER_HEADERS = {
    "X-Request-ID": _header("the request's own id if it was sane, else a fresh one"),
    "RateLimit": _header('what is left and in how many seconds there is more: `"default";r=599;t=42`'),
    "RateLimit-Policy": _header('the limit and its window in seconds: `"default";q=600;w=60`'),
}
_RETRY_AFTER = {"Retry-After": _header("whole seconds", type="integer", minimum=1)}
_CHALLENGE = {"WWW-Authenticate": _header("which key is needed, and what was wrong with the one sent (RFC 6750)")}
_ALLOW = {"Allow": _header("the methods that work")}
_OF_STATUS = dict.fromkeys((409, 429, 503), _RETRY_AFTER) | dict.fromkeys((401, 403), _CHALLENGE) | {405: _ALLOW}
_ETAG = {"ETag": _header("a strong tag of the body; an application never changes")}


def _parameter(name: str, description: str, **schema: object) -> Part:
    return {
        "name": name,
        "in": "header",
        "required": False,
        "description": description,
        "schema": {"type": "string"} | schema,
    }


_REQUEST_ID = _parameter(
    "X-Request-ID", "1 to 64 letters, digits and `.` `_` `:` `-`; anything else is replaced by a fresh id"
)
_KEY = _parameter(
    "Idempotency-Key",
    "repeats of the same request with the same key store it once; 1 to 255 printable ASCII characters, bare or quoted",
    pattern=idempotency.PATTERN,
)
_TRACE = _parameter(
    "traceparent", "W3C Trace Context: goes with the event; without a valid one the event gets a fresh trace"
)
_NO_CACHE = _parameter(
    "Cache-Control", "`no-cache`: from the primary, so that nothing that was answered 201 before is missing"
)
_IF_NONE_MATCH = _parameter("If-None-Match", "an ETag; 304 if the application still has it")


def _content(media_type: str, schema: str, **examples: object) -> Part:
    named = {name: {"value": value} for name, value in examples.items()}
    return {media_type: {"schema": {"$ref": f"#/components/schemas/{schema}"}, "examples": named}}


SUBMIT_REQUEST: Part = {
    "parameters": [_KEY, _REQUEST_ID, _TRACE],
    "requestBody": {
        "required": True,
        "content": _content(body.JSON, "NewApplication", application=NEW_APPLICATION),
    },
}
BATCH_REQUEST: Part = {
    "parameters": [_KEY, _REQUEST_ID, _TRACE],
    "requestBody": {
        "required": True,
        "content": {
            body.JSON: {
                "schema": {"type": "array", "items": {"$ref": "#/components/schemas/BatchItem"}},
                "examples": {"array": {"value": [NEW_APPLICATION | {"idempotency_key": "7f0e1c52"}, NEW_APPLICATION]}},
            },
            body.NDJSON: {
                "schema": {
                    "type": "string",
                    "description": "one BatchItem in JSON on each line; also as " + " or ".join(body.LINES[1:]),
                },
                "examples": {"lines": {"value": '{"user_name": "Anna", "description": "A pass"}\n' * 2}},
            },
        },
    },
}
READ_REQUEST: Part = {"parameters": [_NO_CACHE, _REQUEST_ID]}
STREAM_REQUEST: Part = {
    "parameters": [
        _parameter("Last-Event-ID", "where to go on, as a browser sends it that comes back; rather than `after`"),
        _REQUEST_ID,
    ]
}
READ_ONE_REQUEST: Part = {"parameters": [_IF_NONE_MATCH, _REQUEST_ID]}
# What the gate leaves open, also where the operator requires keys.
WITHOUT_KEY: Part = {"security": []}


def answers(*codes: str, stores: bool = False, common: bool = True) -> Answers:
    """The problems that a call can be answered with, by status, each kind with an example."""
    by_status: dict[int, list[str]] = {}
    for code in (*codes, *_PROTOCOL, *(_STORES if stores else ()), *(_COMMON if common else ())):
        by_status.setdefault(texts()[code].status, []).append(code)
    return {status: _problem_answer(codes_of) for status, codes_of in sorted(by_status.items())}


def _problem_answer(codes: list[str]) -> Part:
    return {
        "description": "; ".join(texts()[code].title["en"] for code in codes),
        "headers": _ANSWER_HEADERS | _OF_STATUS.get(texts()[codes[0]].status, {}),
        "content": _content(MEDIA_TYPE, "Problem", **{code: example(code) for code in codes}),
    }


def created() -> Answers:
    """201 of a single application."""
    headers = {
        "Location": _header("where the application is"),
        "Link": _header("`status`: where it is by now (RFC 8288)"),
        "Idempotency-Replayed": _header("`true` on the answer to a repeated request", const="true"),
    }
    return {
        201: {
            "description": "The application is stored and will be published",
            "headers": _ANSWER_HEADERS | headers,
            "content": _content(body.JSON, "Application", application=APPLICATION),
            "links": {
                name: {"operationId": operation, "parameters": {"id": "$response.body#/id"}}
                for name, operation in (("read", "getApplication"), ("status", "getApplicationStatus"))
            },
        }
    }


def results() -> Answers:
    """200 of a batch."""
    invalid = example("invalid")
    del invalid["request_id"]
    value = {
        "results": [
            {"status": "created", "id": EXAMPLE_ID, "location": f"/applications/{EXAMPLE_ID}"},
            {"status": "duplicate", "id": EXAMPLE_ID, "location": f"/applications/{EXAMPLE_ID}"},
            {"status": "invalid", "problem": invalid},
        ],
        "counts": {"created": 1, "duplicate": 1, "invalid": 1, "retry": 0},
    }
    return {
        200: {
            "description": "One result for each item, in order",
            "headers": _ANSWER_HEADERS | {"Retry-After": _header("if any item is to be sent again", type="integer")},
            "content": _content(body.JSON, "BatchAnswer", results=value),
        }
    }


def listed() -> Answers:
    """200 of a list."""
    value = {
        "items": [APPLICATION],
        "total": 1,
        "total_relation": "exact",
        "page": 1,
        "size": 20,
        "pages": 1,
        "next_cursor": None,
        "prev_cursor": None,
    }
    return {
        200: {
            "description": "One page",
            "headers": _ANSWER_HEADERS | {"Link": _header("first, prev, next and last page (RFC 8288)")},
            "content": _content(body.JSON, "ApplicationPage", page=value),
        }
    }


def one() -> Answers:
    """200 and 304 of one application."""
    return {
        200: {
            "description": "The application",
            "headers": _ANSWER_HEADERS | _ETAG,
            "content": _content(body.JSON, "Application", application=APPLICATION),
        },
        304: {"description": "The application still has this ETag", "headers": _ANSWER_HEADERS | _ETAG},
    }


def status() -> Answers:
    """200 of an application's status."""
    value = {
        "id": EXAMPLE_ID,
        "state": "counted",
        "stored": {"at": APPLICATION["created_at"]},
        "published": {"seen_at": "2025-09-15T19:43:09.120Z", "partition": 2, "offset": 4711},
        "counted": {"seen_at": "2025-09-15T19:43:09.120Z"},
        "refused": None,
    }
    return {
        200: {
            "description": "Where it is by now",
            "headers": _ANSWER_HEADERS,
            "content": _content(body.JSON, "Status", status=value),
        }
    }


def streamed() -> Answers:
    """200 of a stream."""
    line = json.dumps(APPLICATION, ensure_ascii=False, separators=(",", ":"))
    return _flowing("Events without end", "text/event-stream", f"id: {EXAMPLE_ID}\ndata: {line}\n\n", _ANSWER_HEADERS)


def exported() -> Answers:
    """200 of an export."""
    line = json.dumps(APPLICATION, ensure_ascii=False, separators=(",", ":"))
    headers = _ANSWER_HEADERS | {"Link": _header("`next`: the export of what comes after this one (RFC 8288)")}
    return _flowing("One Application in JSON on each line", body.NDJSON, line + "\n", headers)


def _flowing(description: str, media_type: str, shown: str, headers: Part) -> Answers:
    content = {media_type: {"schema": {"type": "string"}, "examples": {"shown": {"value": shown}}}}
    return {200: {"description": description, "headers": headers, "content": content}}
