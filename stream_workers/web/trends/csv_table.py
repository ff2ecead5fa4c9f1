"""The history as CSV, for spreadsheets and other programs."""

import csv
import io
from collections.abc import Mapping
from typing import Any

from runtime.instants import instant
from stream_workers.web.trends.history import COLUMNS


def csv_text(facts: Mapping[str, Any]) -> str:
    """One line for each value, so that what is drawn in points of different widths is one table."""
    written = io.StringIO()
    lines = csv.writer(written, lineterminator="\n")
    lines.writerow(("series", "time", "value"))
    for name, columns in COLUMNS.items():
        for at, *values in facts[name]:
            found = instant(at)
            when = found.isoformat(timespec="seconds").replace("+00:00", "Z") if found else at
            lines.writerows(
                (f"{name}_{column}", when, value)
                for column, value in zip(columns[1:], values, strict=True)
                if value is not None
            )
    return written.getvalue()
