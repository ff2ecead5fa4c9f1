"""From where on must the topic be read? The positions in outbox rows, checked against the topic of today (rule 9)."""

from collections.abc import Iterable, Mapping
from typing import Any

from gateway.publish.settlement import Settled


class PositionError(Exception):
    """The positions do not fit the topic: guessing would lose or double events, so a person decides."""


def are_complete(stored: Iterable[Mapping[str, Any]], settled: Settled) -> bool:
    """True where every row has a position for every partition of today."""
    return all(positions.get("next", {}).keys() >= {str(number) for number in settled.ends} for positions in stored)


def starts_of(
    stored: Iterable[Mapping[str, Any]], settled: Settled, *, since: Mapping[int, int] | None = None
) -> dict[int, int]:
    """The lowest position of each partition of today over all these rows; without one, ``since`` or its log start.

    Raises PositionError where the topic is another one, or where what a position points at is gone.
    """
    starts, since = dict(settled.ends), since or settled.starts
    for positions in stored:
        _same_topic(positions, settled)
        following = positions.get("next", {})
        for number in starts:
            starts[number] = min(starts[number], _start(number, following.get(str(number), since[number]), settled))
    return starts


def _same_topic(positions: Mapping[str, Any], settled: Settled) -> None:
    topic_id = positions.get("topic")
    if topic_id is not None and topic_id != settled.state.topic_id.hex:
        raise PositionError(
            f"the outbox was written for topic id {topic_id}, the topic has id {settled.state.topic_id.hex}: "
            "it was created anew. Compare both sides with `headgate audit`"
        )


def _start(number: int, position: int, settled: Settled) -> int:
    if position > settled.ends[number]:
        raise PositionError(
            f"the outbox says that partition {number} had reached offset {position}, but its log ends at "
            f"{settled.ends[number]}: the topic has lost records. Compare both sides with `headgate audit`"
        )
    if position < settled.starts[number]:
        raise PositionError(
            f"partition {number} must be read from offset {position}, but retention has removed it up to "
            f"{settled.starts[number]}. Compare both sides with `headgate audit`"
        )
    return position
