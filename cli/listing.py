"""How commands list things: what other commands take is never cut, and a terminal obeys nothing of it."""

from rich.table import Column, Table

_ID_WIDTH = 36


def listing(key: str, *others: str) -> Table:
    """A table whose first column is an id, on one line; the others give way on a narrow screen, and lose nothing."""
    folding = [Column(other, overflow="fold") for other in others]
    return Table(Column(key, no_wrap=True, min_width=_ID_WIDTH), *folding)


def decoded(raw: bytes | None) -> str | None:
    """Bytes as text for programs; what is no UTF-8 is escaped."""
    return None if raw is None else raw.decode(errors="backslashreplace")


def printable(text: str) -> str:
    """The text with what a terminal would obey as escapes."""
    return "".join(letter if letter.isprintable() else ascii(letter)[1:-1] for letter in text)
