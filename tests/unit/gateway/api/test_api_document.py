"""docs/api.md names every problem, and nothing that does not exist; OpenAPI locks what needs a key."""

import json
import re

from gateway.admission import gate
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
