"""How often everything is looked at, by a clock that is told what was spent."""

from types import SimpleNamespace
from typing import Any, cast

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from stream_workers.settings import Settings
from stream_workers.web.facts.facts import Facts
from stream_workers.web.look.pace import EVERY_SECONDS, SHARE, SLOWEST_SECONDS, Pace
from stream_workers.web.serving.access import Access
from stream_workers.web.serving.pages import PATHS
from stream_workers.web.serving.site import Site
from stream_workers.web.showing import render


class Spent:
    """CPU seconds."""

    def __init__(self) -> None:
        self.now = 0.0
        self.pace = Pace(lambda: self.now)

    def looks(self, *costs: float) -> None:
        for cost in costs:
            self.pace.looked()
            for _ in range(2):
                with self.pace.showing():
                    self.now += cost / 2
                self.now += 1.0


@pytest.fixture
def spent() -> Spent:
    return Spent()


def test_what_costs_little_is_looked_at_once_a_second(spent: Spent) -> None:
    assert spent.pace.seconds == EVERY_SECONDS
    spent.looks(0.001, 0.001)
    assert spent.pace.seconds == EVERY_SECONDS


def test_showing_takes_its_share_of_a_core_and_no_more(spent: Spent) -> None:
    spent.looks(0.04, 0.04)
    assert spent.pace.seconds == pytest.approx(0.04 / SHARE)
    spent.looks(30.0, 30.0)
    assert spent.pace.seconds == SLOWEST_SECONDS


def test_what_is_costly_once_slows_nothing_down(spent: Spent) -> None:
    """The first look at a page compiles its template."""
    spent.looks(0.001, 0.3)
    assert spent.pace.seconds == EVERY_SECONDS
    spent.looks(0.001)
    assert spent.pace.seconds == EVERY_SECONDS


def test_who_goes_leaves_the_pace_to_the_others(spent: Spent) -> None:
    spent.looks(0.05, 0.05, 0.001)
    assert spent.pace.seconds == EVERY_SECONDS


async def test_each_different_page_that_is_open_counts_once(spent: Spent, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two browsers at the same page are shown one rendering of it."""

    def regions(*_: object) -> dict[str, str]:
        spent.now += 0.03
        return {"live": "shown"}

    monkeypatch.setattr(render, "regions", regions)
    spent.looks(9.0)
    spent.pace.looked()
    async with TestClient(TestServer(_live_pages(spent.pace))) as client:
        for address in ("/events/health", "/events/health", "/events/health?lang=ru"):
            async with client.get(address) as answer:
                assert await answer.content.readline() == b"retry: 1000\n"
                await answer.content.readuntil(b"beat")
    assert spent.pace.seconds == pytest.approx(2 * 0.03 / SHARE)


def _live_pages(pace: Pace) -> web.Application:
    """The live updates of a page, all of one look."""
    look = SimpleNamespace(at=1.0, intake=None)

    async def looked() -> Any:
        return look

    async def facts_of(*_: object) -> dict[str, Any]:
        return {}

    facts = SimpleNamespace(board=SimpleNamespace(look=looked, pace=pace), of=facts_of, findings=lambda _: [])
    site = Site(cast("Facts", facts), Access.of(Settings(_env_file=None)), PATHS)

    async def events(request: web.Request) -> web.StreamResponse:
        return await site.events("health", request)

    app = web.Application()
    app.router.add_get("/events/health", events)
    return app
