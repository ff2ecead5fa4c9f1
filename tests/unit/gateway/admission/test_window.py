"""The sliding window in local memory: the same judgements as `limits`, at no cost per visitor."""

from unittest.mock import patch

import pytest
from hypothesis import given
from hypothesis import strategies as st
from limits import RateLimitItemPerMinute
from limits.aio.storage import MemoryStorage
from limits.aio.strategies import SlidingWindowCounterRateLimiter

from gateway.admission import window
from gateway.admission.window import SlidingWindow

START = 1_000_000_020.0

calls = st.lists(
    st.tuples(st.floats(0, 45, allow_nan=False), st.sampled_from(["a", "b"]), st.integers(1, 4)), max_size=60
)


class Clock:
    def __init__(self) -> None:
        self.now = START

    def __call__(self) -> float:
        return self.now


@given(limit=st.integers(1, 12), calls=calls)
async def test_one_at_a_time_it_judges_as_limits_does(limit: int, calls: list[tuple[float, str, int]]) -> None:
    clock = Clock()
    ours = SlidingWindow(limit, clock=clock)
    with patch("limits.aio.storage.memory.time.time", clock):
        theirs = SlidingWindowCounterRateLimiter(MemoryStorage())
        item = RateLimitItemPerMinute(limit)
        for pause, visitor, _ in calls:
            clock.now += pause
            assert bool(ours.take(visitor).granted) == await theirs.hit(item, visitor)


@given(limit=st.integers(1, 12), calls=calls)
def test_a_part_of_the_cost_is_granted_and_never_more_than_the_limit_in_a_minute(
    limit: int, calls: list[tuple[float, str, int]]
) -> None:
    clock = Clock()
    budget = SlidingWindow(limit, clock=clock)
    granted: dict[tuple[str, int], int] = {}
    for pause, visitor, cost in calls:
        clock.now += pause
        standing = budget.take(visitor, cost)
        assert 0 <= standing.granted <= cost
        assert standing.granted == cost or standing.remaining == 0
        assert 0 < standing.reset <= 60
        minute = (visitor, int(clock.now // 60))
        granted[minute] = granted.get(minute, 0) + standing.granted
        assert granted[minute] <= limit


@given(limit=st.integers(1, 12), calls=calls)
def test_after_the_wait_something_is_granted_and_not_two_seconds_before(
    limit: int, calls: list[tuple[float, str, int]]
) -> None:
    clock = Clock()
    budget = SlidingWindow(limit, clock=clock)
    for pause, _, cost in calls:
        clock.now += pause
        if budget.take("a", cost).granted < cost:
            wait = budget.wait("a")
            assert 1 <= wait <= 121
            clock.now += max(0, wait - 2)
            assert wait <= 2 or not budget.take("a").granted
            clock.now += min(2, wait)
            assert budget.take("a").granted == 1


def test_visitors_beyond_the_bound_share_one_budget(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(window, "VISITORS_MAX", 3)
    budget = SlidingWindow(2, clock=Clock())
    for visitor in "abc":
        assert budget.take(visitor).granted
    assert [budget.take(visitor).granted for visitor in "defg"] == [1, 1, 0, 0]
    assert budget.take("a").granted
