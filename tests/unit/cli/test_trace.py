"""An id is 48 bits of time and more: any of them can be asked for."""

from uuid import UUID

import pytest

from cli.audit import trace
from contracts import Topics
from runtime.kafka.clients import Kafka


@pytest.mark.parametrize(
    ("id_", "since"),
    [
        ("ffffffff-ffff-7fff-bfff-ffffffffffff", (1 << 48) - 1 - 60_000),
        ("00000000-0000-7000-8000-000000000000", 0),
        ("7c9e6679-7425-40de-944b-e07fc1f90ae7", None),
    ],
)
async def test_an_id_of_any_year_can_be_looked_for(
    monkeypatch: pytest.MonkeyPatch, id_: str, since: int | None
) -> None:
    async def bounds(_kafka: Kafka, _topic: str, *, since_ms: int | None) -> dict[int, tuple[int, int]]:
        assert since_ms == since
        return {}

    monkeypatch.setattr(trace, "bounds", bounds)
    assert await trace._on_topic(Kafka(""), Topics(), UUID(id_)) == []
