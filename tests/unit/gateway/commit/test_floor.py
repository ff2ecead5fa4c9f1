"""The floor under what is committed: it never passes what may still come, and what comes too late is dated anew."""

import time
from collections.abc import Sequence
from uuid import UUID

from contracts import milliseconds_of
from gateway.commit.floor import Floor
from gateway.commit.submission import Submission
from gateway.database.ids import Ids
from tests.support.write_path import submission


def floor_over(ids: Ids, undecided: Sequence[Submission] = ()) -> Floor:
    return Floor(lambda: ids, lambda: undecided)


async def test_it_waits_for_what_is_undecided_and_follows_the_clock_otherwise() -> None:
    now = 1_000_000
    ids = Ids(lambda: now * 1_000_000)
    waiting = [submission(new_id=ids)]
    floor = floor_over(ids, waiting)
    now += 500
    assert floor.raised() == 1_000_000
    waiting.clear()
    assert floor.raised() == 1_000_500


async def test_what_comes_too_late_is_dated_anew_and_nothing_else() -> None:
    ids = Ids()
    late, value = submission(new_id=ids), b""
    value = late.value
    floor = floor_over(ids)
    began = milliseconds_of(late.id) + 5
    floor.begin(began)
    punctual = submission(new_id=ids)
    kept = punctual.id
    floor.keep([late, punctual])
    assert milliseconds_of(late.id) >= began
    assert late.value != value
    assert str(late.id).encode() in late.value
    assert punctual.id == kept


async def test_a_clock_that_is_behind_waits_where_the_lease_begins() -> None:
    now = 1_000_000
    ids = Ids(lambda: now * 1_000_000)
    floor = floor_over(ids)
    floor.begin(now + 9_000)
    made = [ids() for _ in range(3)]
    assert sorted(made) == made
    assert [milliseconds_of(one) for one in made] == [now + 9_000] * 3
    assert not ids.went_back
    now += 10_000
    assert milliseconds_of(ids()) == now


async def test_a_clock_too_far_behind_stays_so_and_commits_nothing() -> None:
    now = 1_000_000
    ids = Ids(lambda: now * 1_000_000)
    floor_over(ids).begin(now + 60_000)
    assert milliseconds_of(ids()) == now


async def test_it_never_goes_down() -> None:
    ids = Ids(time.time_ns)
    waiting: list[Submission] = []
    floor = floor_over(ids, waiting)
    high = floor.raised()
    old = submission(new_id=ids)
    old.id = UUID(int=(high - 50) << 80)
    waiting.append(old)
    assert floor.raised() >= high
