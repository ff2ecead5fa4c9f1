"""What waits is bounded in bytes, whatever the agent does."""

from stream_workers.kafka.room import PATIENCE, Room


async def test_no_more_is_fetched_while_too_much_waits() -> None:
    room = Room(100, second=0.001)
    assert await room.free()
    room.handed(99)
    assert await room.free()
    room.handed(1)
    assert not await room.free()
    room.taken(1)
    assert await room.free()


async def test_batches_that_a_rebalance_threw_away_do_not_count() -> None:
    room = Room(100, second=0.001)
    room.handed(500)
    room.emptied()
    assert await room.free()


async def test_batches_that_are_never_taken_do_not_stop_the_worker_for_ever() -> None:
    room = Room(100, second=0.001)
    room.handed(500)
    outcomes = [await room.free() for _ in range(PATIENCE)]
    assert outcomes == [False] * (PATIENCE - 1) + [True]
