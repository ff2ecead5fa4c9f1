"""How commands list what other commands take by its id."""

from rich.table import Column, Table

_ID_WIDTH = 36


def listing(key: str, *others: str) -> Table:
    """A table whose first column is an id, which is never cut: the others give way on a narrow screen."""
    return Table(Column(key, no_wrap=True, min_width=_ID_WIDTH), *others)
