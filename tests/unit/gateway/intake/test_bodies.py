"""Bodies under way are bounded in bytes, and the slow ones go first."""

import asyncio
from collections.abc import Mapping
from typing import Any

import pytest

from gateway.intake import body
from gateway.intake.bodies import Bodies
from gateway.problems.errors import BodyTooLargeError, OverloadedError

Queue = asyncio.Queue[Mapping[str, Any]]


def piece(size: int, *, more: bool = True) -> Mapping[str, Any]:
    return {"type": "http.request", "body": b"x" * size, "more_body": more}


async def reading(bodies: Bodies, *first: Mapping[str, Any]) -> tuple[asyncio.Task[bytes], Queue]:
    """A body that is being read, and where its further pieces go."""
    queue: Queue = asyncio.Queue()
    for one in first:
        queue.put_nowait(one)
    task = asyncio.create_task(body.read(queue.get, limit=1000, bodies=bodies))
    for _ in range(5):
        await asyncio.sleep(0)
    return task, queue


async def test_the_slowest_makes_room_and_the_others_go_on() -> None:
    now = 0.0
    bodies = Bodies(100, clock=lambda: now)
    waiting, word = await reading(bodies, piece(0))
    slow, _ = await reading(bodies, piece(40))
    now = 10.0
    quick, rest = await reading(bodies, piece(50))
    rest.put_nowait(piece(40, more=False))
    assert len(await quick) == 90
    with pytest.raises(OverloadedError) as refused:
        await slow
    assert refused.value.retry_after == 1
    word.put_nowait(piece(20, more=False))
    assert len(await waiting) == 20  # what holds nothing has no room to make
    assert bodies.held == 0


async def test_who_is_slowest_itself_is_refused_at_once() -> None:
    now = 0.0
    bodies = Bodies(100, clock=lambda: now)
    slow, more = await reading(bodies, piece(10))
    now = 10.0
    quick, rest = await reading(bodies, piece(85))
    more.put_nowait(piece(10))
    with pytest.raises(OverloadedError):
        await slow
    rest.put_nowait(piece(0, more=False))
    assert len(await quick) == 85
    assert bodies.held == 0


async def test_who_is_slowest_itself_gets_no_further_than_the_piece_that_does_not_fit() -> None:
    bodies = Bodies(100)
    with bodies.share() as quick, bodies.share() as late:
        quick.take(90)
        with pytest.raises(OverloadedError):
            late.take(20)


async def test_a_complete_body_makes_no_room_and_stays_charged_until_it_is_done_with() -> None:
    bodies = Bodies(100)
    with bodies.share() as share:
        share.take(30)
        share.complete()
        newcomer, _ = await reading(bodies, piece(80))
        with pytest.raises(OverloadedError):
            await newcomer
        assert bodies.held == 30
    assert bodies.held == 0


async def test_a_body_in_one_piece_is_not_charged() -> None:
    task, _ = await reading(Bodies(0), piece(50, more=False))
    assert len(await task) == 50


async def test_a_task_that_is_cancelled_by_others_stays_cancelled() -> None:
    bodies = Bodies(100)
    task, _ = await reading(bodies, piece(50))
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert bodies.held == 0


def test_a_length_of_very_many_digits_is_read_like_any_other() -> None:
    body.check_declared(b"0" * 5_000 + b"9", limit=10)
    body.check_declared(b"0" * 5_000, limit=10)
    for too_long in (b"0" * 5_000 + b"11", b"9" * 5_000):
        with pytest.raises(BodyTooLargeError):
            body.check_declared(too_long, limit=10)
