"""Accepted ⊆ rows = topic: each exactly once, the same four values, in order for each user of each process."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise
from uuid import UUID

from runtime.kafka.clients import Kafka
from tests.records import to_value
from tests.support.crowd import Receipt
from tests.support.write_path import Record, records, rows


@dataclass(frozen=True)
class Verdict:
    """Counts; all but the first three must be zero."""

    accepted: int
    rows: int
    events: int
    accepted_without_row: int
    rows_without_event: int
    events_without_row: int
    duplicated: int
    differing: int
    out_of_order: int
    outbox: int
    unpublishable: int

    @property
    def clean(self) -> bool:
        return not any(list(asdict(self).values())[3:])

    @property
    def lost(self) -> int:
        return self.accepted_without_row + self.rows_without_event


async def judge(database_url: str, kafka: Kafka, topic: str, receipts: Sequence[Receipt]) -> Verdict:
    """Compare what was answered, what is stored and what is published."""
    stored = {UUID(str(row["id"])): row for row in await rows(database_url, "SELECT * FROM applications")}
    found = await records(kafka, topic)
    ids = [_id(record) for record in found]
    counts = Counter(ids)
    accepted = {receipt.id for receipt in receipts}
    differing = sum(
        1
        for id_, record in zip(ids, found, strict=True)
        if id_ in stored and record.value != to_value(**dict(stored[id_].items()))
    )
    outbox = await rows(database_url, "SELECT FROM outbox WHERE cardinality(ids) > 0")
    return Verdict(
        accepted=len(accepted),
        rows=len(stored),
        events=len(ids),
        accepted_without_row=len(accepted - stored.keys()),
        rows_without_event=len(stored.keys() - counts.keys()),
        events_without_row=len(counts.keys() - stored.keys()),
        duplicated=sum(count - 1 for count in counts.values()),
        differing=differing,
        out_of_order=_out_of_order(receipts, {id_: place for place, id_ in enumerate(ids)}),
        outbox=len(outbox),
        unpublishable=len(await rows(database_url, "SELECT FROM unpublishable")),
    )


def _id(record: Record) -> UUID:
    return UUID(dict(record.headers)["ce_id"].decode())


def _out_of_order(receipts: Sequence[Receipt], places: dict[UUID, int]) -> int:
    """Neighbours of one user and one process whose events stand the other way round on the topic."""
    lines: dict[tuple[str, tuple[int, int]], list[Receipt]] = defaultdict(list)
    for receipt in receipts:
        if receipt.id in places:
            lines[receipt.user_name, receipt.process].append(receipt)
    wrong = 0
    for line in lines.values():
        line.sort(key=lambda receipt: receipt.number)
        wrong += sum(places[one.id] > places[next_.id] for one, next_ in pairwise(line))
    return wrong
