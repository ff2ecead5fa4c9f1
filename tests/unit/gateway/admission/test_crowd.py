"""Who gives way: the slowest reader where too many bytes wait, the silent one where a probe needs a place."""

import pytest

from gateway.admission.connections.crowd import PROGRESS, Reserve, Unread

MIB = 1024 * 1024


class Client:
    """A transport whose client reads as a test says."""

    def __init__(self, unread: Unread, clock: "Clock") -> None:
        self.waiting, self.cut = 0, False
        self._unread, self._clock = unread, clock

    def write(self, size: int) -> None:
        self.waiting += size
        self._unread.add(self, size)

    def read(self, size: int) -> None:
        self.waiting = max(0, self.waiting - size)

    def get_write_buffer_size(self) -> int:
        return self.waiting

    def abort(self) -> None:
        self.cut = True


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def unread(clock: Clock) -> Unread:
    return Unread(10 * MIB, clock)


def test_past_the_limit_the_slowest_readers_are_cut(unread: Unread, clock: Clock) -> None:
    stuck, drip, fast, new = (Client(unread, clock) for _ in range(4))
    for one in (stuck, drip, fast):
        one.write(3 * MIB)
    clock.now += 10
    drip.read(80 * 1024)
    fast.read(2 * MIB)
    new.write(4 * MIB)
    assert [one.cut for one in (stuck, drip, fast, new)] == [True, False, False, False]
    assert unread.held < 10 * MIB
    new.write(4 * MIB)
    assert [one.cut for one in (stuck, drip, fast, new)] == [True, True, False, False]
    assert unread.held == fast.waiting + new.waiting


def test_what_was_read_meanwhile_makes_room_by_itself(unread: Unread, clock: Clock) -> None:
    clients = [Client(unread, clock) for _ in range(5)]
    for one in clients:
        one.write(2 * MIB)
    for one in clients[:3]:
        one.read(2 * MIB)
    clients[4].write(4 * MIB)
    assert not any(one.cut for one in clients)
    assert unread.held == 8 * MIB


def test_a_drip_is_cut_and_a_slow_line_is_not(unread: Unread, clock: Clock) -> None:
    drip, line = Client(unread, clock), Client(unread, clock)
    for one in (drip, line):
        one.write(4 * MIB)
    for second in range(25):
        clock.now += 1
        if second % 19 == 0:
            drip.read(1)
        line.read(PROGRESS // 18)
        unread.cut(20)
    assert (drip.cut, line.cut) == (True, False)
    assert unread.held == line.waiting


def test_the_last_bytes_are_as_due_as_the_first(unread: Unread, clock: Clock) -> None:
    client = Client(unread, clock)
    client.write(100)
    clock.now += 19
    client.read(10)
    unread.cut(20)
    clock.now += 2
    unread.cut(20)
    assert client.cut
    assert unread.held == 0


def test_whoever_has_read_all_or_left_is_forgotten(unread: Unread, clock: Clock) -> None:
    reader, gone = Client(unread, clock), Client(unread, clock)
    for one in (reader, gone):
        one.write(MIB)
    reader.read(MIB)
    unread.forget(gone)
    unread.forget(gone)
    unread.cut(20)
    assert unread.held == 0
    unread.cut_all()
    assert not reader.cut


class Seat:
    def __init__(self, *, silent: bool = True) -> None:
        self.silent, self.gone = silent, False

    def give_way(self) -> None:
        self.gone = True


def test_the_oldest_that_is_silent_gives_way() -> None:
    reserve = Reserve(2)
    speaking, first, second, third = Seat(silent=False), Seat(), Seat(), Seat(silent=False)
    assert all(reserve.admit(seat) for seat in (speaking, first, second, third))
    assert [seat.gone for seat in (speaking, first, second, third)] == [False, True, True, False]
    assert not reserve.admit(Seat())
    reserve.leave(speaking)
    reserve.leave(speaking)
    assert reserve.admit(Seat())
