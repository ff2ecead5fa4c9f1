"""Rows as files: CSV for spreadsheets, one JSON object a line for programs."""

import csv
import io
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import orjson

Rows = Sequence[Mapping[str, Any]]


def as_csv(rows: Rows) -> bytes:
    """RFC 4180, with a heading and a byte order mark, by which spreadsheets know UTF-8."""
    made = io.StringIO()
    writer = csv.writer(made)
    if rows:
        writer.writerow(rows[0])
    writer.writerows([_cell(value) for value in row.values()] for row in rows)
    return made.getvalue().encode("utf-8-sig", "backslashreplace")


def as_lines(rows: Rows) -> bytes:
    return b"".join(orjson.dumps(row, option=orjson.OPT_APPEND_NEWLINE) for row in rows)


def _cell(value: Any) -> Any:
    """A text that a spreadsheet would take for a formula, which may be anybody's, stays a text."""
    if isinstance(value, str) and value.startswith(("=", "+", "-", "@", "\t", "\r")):
        return f"'{value}"
    return value


FORMS: Mapping[str, tuple[str, Callable[[Rows], bytes]]] = {
    "csv": ("text/csv", as_csv),
    "ndjson": ("application/x-ndjson", as_lines),
}
