"""The traffic generator: when requests are due, what they are, and what is told of the answers."""

import asyncio
import json
import re
from collections import Counter
from unittest.mock import AsyncMock

import pytest

from cli.load import screen
from cli.load.figures import EDGES, Figures
from cli.load.load import Plan, Traffic
from cli.load.profile import CALM, PROFILES, Profile, due
from devstack.ports import free_port

RATE, SECONDS = 900.0, 30.0


def dues(profile: Profile) -> list[float]:
    times, number = [], 0
    while (at := due(profile, number, rate=RATE, seconds=SECONDS)) < SECONDS:
        times.append(at)
        number += 1
    return times


@pytest.mark.parametrize("profile", PROFILES)
def test_requests_are_due_one_after_another_and_as_many_as_the_profile_says(profile: Profile) -> None:
    times = dues(profile)
    assert times == sorted(times)
    assert times[0] == 0
    whole = {"steady": 1, "ramp": 0.5, "spike": (1 + 2 * CALM) / 3}[profile]
    assert len(times) == pytest.approx(RATE * SECONDS * whole, abs=2)


def test_a_spike_is_in_the_middle() -> None:
    thirds = Counter(int(at // 10) for at in dues("spike"))
    assert thirds[1] == pytest.approx(RATE * 10, abs=2)
    assert thirds[0] == pytest.approx(RATE * 10 * CALM, abs=2)
    assert thirds[2] == pytest.approx(RATE * 10 * CALM, abs=2)


def test_a_ramp_ends_at_the_rate() -> None:
    seconds = Counter(int(at) for at in dues("ramp"))
    assert seconds[0] == pytest.approx(RATE / SECONDS / 2, abs=2)
    assert seconds[29] == pytest.approx(RATE, rel=0.03)


async def test_what_is_read_was_submitted_in_this_run() -> None:
    """A stand-in for the gateway that knows the ids it gave out."""
    made: list[bytes] = []
    asked: list[bytes] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while head := await reader.readuntil(b"\r\n\r\n"):
            if found := re.match(rb"GET /v/applications/(\S+) ", head):
                asked.append(found[1])
                writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}")
                continue
            length = re.search(rb"Content-Length: (\d+)", head)
            assert length
            await reader.readexactly(int(length[1]))
            made.append(b"%036d" % len(made))
            body = b'{"id":"' + made[-1] + b'"}'
            writer.write(b"HTTP/1.1 201 Created\r\ncontent-length: %d\r\n\r\n%b" % (len(body), body))

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await answer(reader, writer)
        except asyncio.IncompleteReadError:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    plan = Plan(url=f"http://127.0.0.1:{port}/v", count=400, seconds=None, connections=4, reads=0.5)
    traffic = Traffic(plan)
    await traffic.run()
    server.close()
    assert (traffic.figures.accepted, traffic.read.accepted) == (len(made), len(asked))
    assert len(made) + len(asked) == 400
    assert 100 < len(asked) < 300
    assert set(asked) <= set(made)
    assert traffic.figures.errors == traffic.read.errors == 0


async def test_an_outage_makes_a_run_no_shorter(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is due while nothing can be connected fails when it is due, not as fast as the connections are refused."""
    traffic = Traffic(Plan(url=f"http://127.0.0.1:{free_port()}", rate=40, seconds=1.0))
    monkeypatch.setattr(traffic, "_probe", AsyncMock())
    await traffic.run()
    assert traffic.figures.failures == {"no connection": 40}
    assert traffic.figures.seconds > 0.9


def figures(*milliseconds: float) -> Figures:
    found = Figures(seconds=2.0)
    for each in milliseconds:
        found.answer(201, each / 1000)
    return found


def test_percentiles_are_close() -> None:
    found = figures(*range(1, 1001))
    assert found.percentile(0.5) == pytest.approx(0.5, rel=0.02)
    assert found.percentile(0.99) == pytest.approx(0.99, rel=0.02)
    assert found.percentile(1) == pytest.approx(1, rel=0.02)
    assert (found.accepted, found.errors) == (1000, 0)


def test_no_answers_are_no_latency() -> None:
    assert Figures().percentile(0.99) == 0
    assert Figures().histogram() == []
    assert "0 in 0.0 s" in screen.summary(Figures())


def test_a_histogram_has_every_answer_once_and_no_gap() -> None:
    assert figures(0.9, 1.5, 1.6, 45).histogram() == [
        (0.001, 1),
        (0.002, 2),
        (0.005, 0),
        (0.01, 0),
        (0.02, 0),
        (0.05, 1),
    ]
    far = figures(0.0001, 400_000).histogram()
    assert (far[0][0], far[-1][0], sum(count for _, count in far)) == (EDGES[0], EDGES[-1], 2)


def test_the_longest_bar_has_the_most_answers() -> None:
    lines = list(screen.bars(figures(*[1.5] * 80, 3)))
    assert [line.count("█") for line in lines] == [40, 1]
    assert [line.rsplit(" ", 1)[1] for line in lines] == ["80", "1"]


def test_figures_as_json() -> None:
    found = figures(1, 2)
    found.answer(503, 0.1)
    found.fail("no answer")
    told = json.loads(json.dumps(screen.fields(found)))
    assert (told["accepted"], told["errors"], told["rate"]) == (2, 2, 1.0)
    assert told["statuses"] == {"201": 2, "503": 1}
    assert told["histogram"][-1] == {"at_most_ms": 100.0, "answers": 1}
