"""The kinds of workers: each reads the whole topic in a consumer group of its own, and keeps a state per partition.

This table is all that says which kinds there are; what each does with the events is its book (books/shelf.py).
"""

from dataclasses import dataclass

from contracts import Topics


@dataclass(frozen=True, slots=True)
class Kind:
    """``name`` is its command, service and consumer group; ``table`` holds its states; ``port`` is its web server's.

    ``does`` is the sentence that help shows. One kind ``serves_view``: the web view, beside its health.
    """

    name: str
    table: str
    port: int
    does: str
    serves_view: bool = False

    def __str__(self) -> str:
        return self.name

    def group(self, topics: Topics) -> str:
        """Faust app id and consumer group."""
        return f"{topics.prefix}{self.name}"

    def changelog(self, topics: Topics) -> str:
        """The compacted topic that keeps its states, with as many partitions as the source topic."""
        return f"{self.group(topics)}-{self.table}-changelog"


METRICS = Kind("metrics", "counters", 6066, "Keep the exact counters, and serve the web view.", serves_view=True)
JOURNAL = Kind("journal", "positions", 6067, "Write one line for each event.")

KINDS = {kind.name: kind for kind in (METRICS, JOURNAL)}
OF_TABLE = {kind.table: kind for kind in KINDS.values()}
