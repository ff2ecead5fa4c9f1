"""What follows from an answer of PostgreSQL, whatever number of times it comes."""

from collections import Counter
from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any, cast
from uuid import UUID, uuid4

import pytest
from sqlalchemy.exc import DBAPIError

from gateway.commit.commits import Commits
from gateway.commit.submission import Batch, Submission
from gateway.database.ids import Ids
from tests.support.write_path import submission


@pytest.mark.parametrize("sqlstate", ["40001", "40P01"])
async def test_a_conflict_is_repeated_under_the_same_id_as_often_as_it_takes(sqlstate: str) -> None:
    asked: list[UUID] = []
    stored: list[Submission] = []

    async def execute(_: object, values: dict[str, Any]) -> Sequence[Any]:
        asked.append(values["batch"])
        if len(asked) <= 600:
            raise DBAPIError("INSERT", None, cast("Any", SimpleNamespace(sqlstate=sqlstate)))
        return ()

    async def told(_: Batch, __: UUID, accepted: Sequence[Submission]) -> None:
        stored.extend(accepted)

    failures: Counter[str] = Counter()
    nothing: Any = None
    session: Any = SimpleNamespace(execute=execute)
    commits = Commits(session=session, keeper=nothing, positions=dict, new_id=Ids(), stored=told, failures=failures)
    one = submission()
    assert not await commits.commit([one], uuid4())
    assert (stored, len(set(asked)), failures["conflict"]) == ([one], 1, 600)
