"""What a batch must be to be stored as a whole: every item right, and none with a key of its own."""

import hashlib
import json
from collections.abc import Iterator, Sequence

from contracts import content_of
from gateway.commit.submission import KeyClaim
from gateway.intake.batch_items import ERRORS_MAX, BatchItem, Invalid, Item
from gateway.problems.errors import BatchTooLargeError, RequestError, ValidationError
from gateway.problems.violations import Violation


def judged(items: Sequence[Item], *, limit: int) -> list[BatchItem]:
    """The items; ValidationError with all that is wrong with any of them, each with its place in the batch."""
    if len(items) > limit:
        raise BatchTooLargeError(limit=limit)
    wrong = [violation for place, item in enumerate(items) for violation in _wrong(place, item)]
    if wrong:
        raise ValidationError(wrong[:ERRORS_MAX], len(wrong))
    return [item for item in items if not isinstance(item, Invalid)]


def _wrong(place: int, item: Item) -> Iterator[Violation]:
    if not isinstance(item, Invalid):
        if item.idempotency_key is not None:
            # Of two keys one may be used already and the other not: then all or nothing would be neither.
            yield Violation("pointer", f"#/{place}/idempotency_key", "not_together", {"other": "atomic"}, "")
        return
    error = item.error
    if isinstance(error, RequestError) and error.violations:
        for one in error.violations:
            yield Violation("pointer", f"#/{place}{one.name.removeprefix('#')}", one.code, one.context, one.message)
    else:
        yield Violation("pointer", f"#/{place}", error.code, {}, f"is refused as /problems/{error.code} says")


def claims(items: Sequence[BatchItem], *, key: str | None, client: str, seconds: float) -> list[KeyClaim | None]:
    """A claim for each, of the key, the whole batch and the place: the same batch again wins all of them or none."""
    if key is None:
        return [None] * len(items)
    digest = hashlib.sha256(json.dumps([content_of(item) for item in items], default=str).encode()).hexdigest()
    return [KeyClaim(client, f"{key}#{digest}#{place}", seconds) for place in range(len(items))]
