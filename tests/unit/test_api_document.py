"""docs/api.md names every problem, and nothing that does not exist."""

import re
from pathlib import Path

from gateway.problems import texts

API = Path(__file__).parents[2] / "docs" / "api.md"


def test_the_table_of_problems_is_complete() -> None:
    table = API.read_text().partition("| status | `type`")[2].partition("\n\n")[0]
    rows = re.findall(r"^\| ([\d, ]+) \| (.+) \|$", table, re.MULTILINE)
    named = {code for _, codes in rows for code in re.findall(r"`([a-z-]+)`", codes)}
    assert named == set(texts())
    for statuses, codes in rows:
        assert {str(texts()[code].status) for code in re.findall(r"`([a-z-]+)`", codes)} == set(statuses.split(", "))
