"""How commands list things: what other commands take is never cut, and a terminal obeys nothing of it."""

from rich.console import Console
from rich.table import Column, Table

_LEAST_WIDTH = 8


def listing(key: str, *others: str) -> Table:
    """A table whose first column is an id, on one line; the others give way on a narrow screen, and lose nothing."""
    folding = [Column(other, overflow="fold", min_width=_LEAST_WIDTH) for other in others]
    return Table(Column(key, no_wrap=True), *folding)


def show(table: Table, console: Console) -> None:
    """The whole table: on a terminal that is narrower than it can be, lines go on below themselves."""
    ids = max((len(str(cell)) for cell in table.columns[0].cells), default=0)
    console.width = max(console.width, ids + 4 + (len(table.columns) - 1) * (_LEAST_WIDTH + 3))
    console.print(table, crop=False)


def decoded(raw: bytes | None) -> str | None:
    """Bytes as text for programs; what is no UTF-8 is escaped."""
    return None if raw is None else raw.decode(errors="backslashreplace")


def printable(text: str) -> str:
    """The text with what a terminal would obey as escapes."""
    return "".join(letter if letter.isprintable() else ascii(letter)[1:-1] for letter in text)
