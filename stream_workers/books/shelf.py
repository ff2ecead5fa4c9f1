"""The book of each kind of worker: what it does with the events of a partition."""

from collections.abc import Mapping
from typing import Any

from stream_workers.books.counters import Counters
from stream_workers.books.journal import Journal
from stream_workers.exact.ledger import Book

_ALL: tuple[type[Book[Any]], ...] = (Counters, Journal)
BOOKS: Mapping[str, type[Book[Any]]] = {book.kind.name: book for book in _ALL}
