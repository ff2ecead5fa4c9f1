"""The kinds of workers: each reads the whole topic in a consumer group of its own, and keeps a state per partition.

This table is all that says which kinds there are; what each does with the events is its book (books/shelf.py).
"""

from collections.abc import Callable
from dataclasses import dataclass

from contracts import Topics


@dataclass(frozen=True, slots=True)
class Kept:
    """What stays of a person somewhere: on the ``topic``, or where these words say."""

    what: str
    where: str = ""
    topic: Callable[[Topics], str] | None = None


@dataclass(frozen=True, slots=True)
class Kind:
    """``name`` is its command, service and consumer group; ``table`` holds its states; ``port`` is its web server's.

    ``does`` is the sentence that help shows, ``in_states`` what its states say of a person ("": nothing), and ``keeps``
    what it keeps of one elsewhere. One kind ``serves_view``: the web view, beside its health.
    """

    name: str
    table: str
    port: int
    does: str
    in_states: str
    keeps: tuple[Kept, ...] = ()
    serves_view: bool = False

    def __str__(self) -> str:
        return self.name

    def group(self, topics: Topics) -> str:
        """Faust app id and consumer group."""
        return f"{topics.prefix}{self.name}"

    def changelog(self, topics: Topics) -> str:
        """The compacted topic that keeps its states, with as many partitions as the source topic."""
        return f"{self.group(topics)}-{self.table}-changelog"

    def keeps_of_a_person(self) -> tuple[Kept, ...]:
        """All that it keeps of somebody, in its states and elsewhere."""
        return ((Kept(self.in_states, topic=self.changelog),) if self.in_states else ()) + self.keeps


METRICS = Kind(
    "metrics",
    "counters",
    6066,
    "Keep the exact counters, and serve the web view.",
    in_states="the name while it is one of the most active; counts, which name nobody",
    serves_view=True,
)
JOURNAL = Kind(
    "journal",
    "positions",
    6067,
    "Write one line for each event.",
    in_states="",
    keeps=(Kept("lines with the id, and the name if JOURNAL_USER_NAMES is set", where="the journal's log"),),
)

KINDS = {kind.name: kind for kind in (METRICS, JOURNAL)}
OF_TABLE = {kind.table: kind for kind in KINDS.values()}
