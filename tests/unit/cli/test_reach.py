"""What the topic can tell of an application, by the partitions that its key may have been on."""

from cli.audit.reach import ALWAYS, NEVER, Reach, _hash


def user_on(*places: int) -> str:
    """A user whose key is on these partitions, of 2 and of 4."""
    return next(name for name in map(str, range(1000)) if (_hash(name) % 2, _hash(name) % 4) == places)


def id_at(milliseconds: int) -> int:
    return milliseconds << 80 | 7 << 76


def test_each_partition_speaks_for_its_own_keys() -> None:
    reach = Reach({0: 50, 1: NEVER, 2: ALWAYS, 3: 70}, begun={0: 50, 1: NEVER, 2: 10, 3: 20})
    times = (30, 50, 51, 70, 71)
    told = {place: [at for at in times if reach.tells(id_at(at), user_on(place % 2, place))] for place in range(4)}
    assert told == {0: [51, 70, 71], 1: [], 2: [30, 50, 51, 70, 71], 3: [71]}


def test_before_the_topic_grew_a_key_was_on_another_partition() -> None:
    """A new partition whole from its start says nothing of what was published before it was there."""
    reach = Reach({0: 500, 1: 500, 2: ALWAYS, 3: ALWAYS}, begun={0: 500, 1: 500, 2: 800, 3: 810})
    moved = user_on(0, 2)
    assert not reach.tells(id_at(400), moved)
    assert reach.tells(id_at(501), moved)


def test_where_nothing_was_cut_everything_is_told() -> None:
    reach = Reach(dict.fromkeys(range(4), ALWAYS), dict.fromkeys(range(4), ALWAYS))
    assert reach.tells(0, "ada")
    assert reach.first == 0
