"""docs/api.md names every problem, and nothing that does not exist; OpenAPI locks what needs a key."""

import json
import re
from datetime import UTC, datetime
from typing import Any

import pytest

from gateway.admission import gate
from gateway.api import openapi
from gateway.app import create_api
from gateway.deprecation import Deprecation
from gateway.problems.document import texts
from tests.support.commands import ROOT

DOCS = ROOT / "docs"


def test_the_table_of_problems_is_complete() -> None:
    table = (DOCS / "api.md").read_text().partition("| status | `type`")[2].partition("\n\n")[0]
    rows = re.findall(r"^\| ([\d, ]+) \| (.+) \|$", table, re.MULTILINE)
    named = {code for _, codes in rows for code in re.findall(r"`([a-z-]+)`", codes)}
    assert named == set(texts())
    for statuses, codes in rows:
        assert {str(texts()[code].status) for code in re.findall(r"`([a-z-]+)`", codes)} == set(statuses.split(", "))


def test_what_needs_no_key_shows_no_lock() -> None:
    paths = json.loads((DOCS / "openapi.json").read_text())["paths"]
    operations = [(path, operation) for path, methods in paths.items() for operation in methods.values()]
    assert {path for path, operation in operations if operation.get("security") == []} == gate._OPEN & set(paths)


def operations() -> list[dict[str, Any]]:
    paths = json.loads((DOCS / "openapi.json").read_text())["paths"]
    return [operation for methods in paths.values() for operation in methods.values()]


def test_the_pattern_of_a_key_takes_both_forms_that_the_documents_show() -> None:
    [pattern] = {
        one["schema"]["pattern"]
        for operation in operations()
        for one in operation.get("parameters", ())
        if one["name"] == "Idempotency-Key"
    }
    shown = re.findall(r"Idempotency-Key: ([^']+)'", (ROOT / "README.md").read_text() + (DOCS / "api.md").read_text())
    assert {key.startswith('"') for key in shown} == {True, False}
    for key in shown:
        assert re.search(pattern, key), key
    for wrong in ("", "a b", '"a', '"', "\u043a", '"' + "k" * 256 + '"'):
        assert not re.search(pattern, wrong), wrong


def test_every_call_says_what_it_may_be_refused_with_and_by_which_fields() -> None:
    for operation in operations():
        answers = operation["responses"]
        assert {"400", "405", "431"} <= set(answers)
        assert "Allow" in answers["405"]["headers"]
        for status in {"401", "403"} & set(answers):
            assert "WWW-Authenticate" in answers[status]["headers"]


def test_a_call_that_will_go_is_marked(monkeypatch: pytest.MonkeyPatch) -> None:
    day = datetime(2027, 1, 1, tzinfo=UTC)
    call = ("GET", "/applications/{id}")
    monkeypatch.setattr(openapi, "DEPRECATED", {call: Deprecation(day, day, "/docs")})
    paths = create_api().openapi()["paths"]
    assert paths["/applications/{id}"]["get"]["deprecated"] is True
    assert "deprecated" not in paths["/applications"]["get"]


def test_the_document_says_where_whose_and_on_what_terms() -> None:
    document = json.loads((DOCS / "openapi.json").read_text())
    assert [server["url"] for server in document["servers"]] == ["/"]
    assert document["info"]["license"] == {"name": "MIT", "identifier": "MIT"}
    assert document["info"]["contact"]
