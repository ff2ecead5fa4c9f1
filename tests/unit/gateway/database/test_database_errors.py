"""What is told of an error of the database, where only a line of it is shown."""

import pytest

from gateway.database.connection import first_line


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (ValueError("no such table\n[SQL: SELECT …]"), "no such table"),
        (TimeoutError(), "TimeoutError"),
        (OSError(""), "OSError"),
    ],
)
def test_an_error_is_told_in_one_line_also_where_it_says_nothing(error: Exception, told: str) -> None:
    assert first_line(error) == told
