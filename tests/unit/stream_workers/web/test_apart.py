"""What reads a lot: the worker counts meanwhile, and whatever is looked at, one reading at a time is in memory."""

import asyncio
import threading
from types import SimpleNamespace
from typing import Any
from uuid import UUID

import pytest

from contracts import Topics
from runtime.kafka.clients import Kafka
from stream_workers.letters.dead_letters import Origin
from stream_workers.letters.letters import Stretch
from stream_workers.web.facts import letters_page
from stream_workers.web.facts.letters_page import Letters
from stream_workers.web.facts.trace_page import Found, Traces
from stream_workers.web.look.apart import Apart
from stream_workers.web.serving import forms
from stream_workers.web.serving.forms import Forms

PAGES = "letters", "letter", "redrive", "trace", "place"


class Readings:
    """Stand in for what Kafka is asked: each begins, and ends when it may."""

    def __init__(self) -> None:
        self.go_on = threading.Event()
        self.began = self.now = self.most = 0

    async def read(self, *_: object, **__: object) -> Stretch:
        self.began += 1
        self.now += 1
        self.most = max(self.most, self.now)
        assert self.go_on.wait(5), "the loop stands still"
        self.now -= 1
        return Stretch([], {}, None, 0, 0, certain=True)

    async def search(self, *_: object) -> Found:
        await self.read()
        return Found(None, None, None, 0, True, 0.0)


@pytest.fixture
def readings() -> Readings:
    return Readings()


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch, readings: Readings) -> Any:
    """A function for each of the pages that read, and for the form that does."""

    async def ends(*_: object) -> dict[int, int]:
        return {}

    async def fields(_: object) -> dict[str, str]:
        return {}

    monkeypatch.setattr(letters_page, "newest_letters", readings.read)
    monkeypatch.setattr(forms, "_fields", fields)
    broker: Any = SimpleNamespace(partitions=ends, end_offsets=ends)
    apart = Apart()
    letters = Letters(Kafka(""), Topics(), broker, apart=apart)
    traces = Traces(Kafka(""), Topics(), apart=apart)
    monkeypatch.setattr(traces, "_search", readings.search)
    monkeypatch.setattr(traces, "_at", readings.search)
    may_change = SimpleNamespace(may_change=lambda _: True)
    site: Any = SimpleNamespace(access=may_change, facts=SimpleNamespace(letters=letters))
    form = Forms(site, kafka=Kafka(""), topics=Topics())
    nothing: Any = None
    return {
        "letters": lambda: letters.page(before="", reason="", state=""),
        "letter": lambda: letters.one(Origin("t", 0, 1), before=""),
        "redrive": lambda: form.redrive(nothing),
        "trace": lambda: traces.find(UUID(int=7)),
        "place": lambda: traces.at(0, 1),
    }


async def begin(readings: Readings, tasks: list["asyncio.Task[object]"]) -> None:
    """Wait until one reads, and let all of them end."""
    while not readings.began:  # noqa: ASYNC110 -- set in another thread
        await asyncio.sleep(0)
    readings.go_on.set()
    await asyncio.gather(*tasks)


@pytest.mark.parametrize("page", PAGES)
async def test_what_reads_long_takes_the_loop_no_turn(asked: Any, readings: Readings, page: str) -> None:
    await begin(readings, [asyncio.create_task(asked[page]())])
    assert readings.began == 1


async def test_of_the_pages_one_reads_at_a_time(asked: Any, readings: Readings) -> None:
    """Each may hold some megabytes, and what its thread has freed stays with the process."""
    pages = [name for name in PAGES if name != "redrive"]
    tasks = [asyncio.create_task(asked[name]()) for name in pages * 2]
    await begin(readings, tasks)
    assert readings.began >= len(pages)
    assert readings.most == 1


async def test_redrives_come_one_after_the_other_and_hold_up_no_page(asked: Any, readings: Readings) -> None:
    """One that is cut off by its browser goes on in its thread; the next one still waits for it."""
    first = asyncio.create_task(asked["redrive"]())
    while not readings.began:  # noqa: ASYNC110 -- set in another thread
        await asyncio.sleep(0)
    first.cancel()
    await asyncio.gather(first, return_exceptions=True)
    second = asyncio.create_task(asked["redrive"]())
    page = asyncio.create_task(asked["trace"]())
    while readings.began < 2:  # noqa: ASYNC110 -- set in another thread
        await asyncio.sleep(0)
    assert readings.now == 2  # the page reads, the second redrive waits
    readings.go_on.set()
    await asyncio.gather(second, page)
    assert readings.began == 3
