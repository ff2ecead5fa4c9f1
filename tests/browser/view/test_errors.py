"""What is refused, missing or broken is a whole page too: its reason, a way on, both languages, light and dark."""

import asyncio
import threading
from collections.abc import Iterator
from typing import Any, cast

import pytest
from aiohttp.web import (
    Application,
    AppRunner,
    HTTPBadGateway,
    HTTPGone,
    HTTPRequestEntityTooLarge,
    HTTPServiceUnavailable,
    Request,
    StreamResponse,
    TCPSite,
)
from playwright.sync_api import Page, expect

from devstack.ports import free_port
from stream_workers.web.serving.access import Access
from stream_workers.web.serving.assets import STATIC
from stream_workers.web.serving.pages import PATHS
from stream_workers.web.serving.protection import guarded
from stream_workers.web.serving.site import NAVIGATION, Site
from stream_workers.web.showing.preferences import Language
from stream_workers.web.showing.wording import texts
from tests.browser.view.readers import Readers, refuse_violations
from tests.browser.view.stack import GUARDED, OPEN, TOKEN, Stack

BROKEN: dict[int, Exception] = {
    413: HTTPRequestEntityTooLarge(1, 2),
    410: HTTPGone(),
    500: ArithmeticError("of no kind that anybody expects"),
    502: HTTPBadGateway(),
    503: HTTPServiceUnavailable(),
}


@pytest.fixture(params=[("light", "en"), ("dark", "en"), ("light", "ru"), ("dark", "ru")], ids="-".join)
def reader(request: pytest.FixtureRequest, readers: Readers) -> Iterator[Page]:
    """Readers of both languages, in the light and in the dark."""
    with readers.one(*request.param) as page:
        yield page


@pytest.fixture(scope="module")
def broken() -> Iterator[str]:
    """The address of a site whose pages fail, each in its own way."""
    port, loop = free_port(), asyncio.new_event_loop()

    async def start() -> AppRunner:
        runner = AppRunner(failing())
        await runner.setup()
        await TCPSite(runner, "127.0.0.1", port).start()
        return runner

    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    runner = asyncio.run_coroutine_threadsafe(start(), loop).result()
    yield f"http://127.0.0.1:{port}"
    asyncio.run_coroutine_threadsafe(runner.cleanup(), loop).result()
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    loop.close()


def failing() -> Application:
    """Errors are pages without facts."""
    site = Site(cast("Any", None), Access(None), PATHS)

    async def fail(request: Request) -> StreamResponse:
        raise BROKEN[int(request.match_info["code"])]

    app = Application(middlewares=[guarded(site.access, site.error)])
    app.router.add_static("/static", str(STATIC))
    app.router.add_get("/{code}", fail)
    return app


@pytest.mark.parametrize("code", BROKEN)
def test_what_fails_is_a_page(reader: Page, broken: str, code: int) -> None:
    whole(reader, opened(reader, f"{broken}/{code}"), code)


@pytest.mark.parametrize("path", ["/nothing-here", "/tables/counters/999", "/tables/nothing/0"])
def test_what_is_not_there_is_a_page(reader: Page, stack: Stack, path: str) -> None:
    whole(reader, opened(reader, stack.url(OPEN, path)), 404)
    reader.locator(".ways a[href='/']").click()
    expect(reader.locator(".pipeline")).to_be_visible()


def test_what_only_takes_forms_says_so(reader: Page, stack: Stack) -> None:
    whole(reader, opened(reader, stack.url(OPEN, "/redrive")), 405)


def test_without_a_token_the_way_leads_to_the_login(reader: Page, stack: Stack) -> None:
    whole(reader, sent(reader, stack.url(GUARDED, "/redrive")), 401)
    reader.locator(".ways a[href='/login']").click()
    expect(reader.locator("#token")).to_be_visible()


def test_what_another_site_sends_is_refused_on_a_page(reader: Page, stack: Stack) -> None:
    reader.set_extra_http_headers({"Authorization": f"Bearer {TOKEN}"})
    whole(reader, sent(reader, stack.url(GUARDED, "/redrive")), 403)
    reader.locator(".ways a[href='/dead-letters']").click()
    expect(reader.locator("nav [aria-current=page]")).to_have_attribute("href", "/dead-letters")


def test_another_language_leads_from_an_error_to_a_page(page: Page, stack: Stack) -> None:
    """Not back to where the form was sent, where there is nothing to look at."""
    sent(page, stack.url(OPEN, "/redrive"))
    page.get_by_role("button", name="RU").click()
    expect(page.locator("h1")).to_have_text("Обзор")


def opened(page: Page, address: str) -> int:
    """The status of the answer."""
    answer = page.goto(address)
    assert answer is not None
    return answer.status


def sent(page: Page, address: str) -> int:
    """Send an empty form there from a page of no origin; the status of the answer."""
    page.set_content(f'<form method="post" action="{address}"><button>Send</button></form>')
    with page.expect_navigation(url=address) as answer:
        page.get_by_role("button").click()
    return answer.value.status


def whole(page: Page, status: int, code: int) -> None:
    """The page looks like the others, says what it is, leads on, and axe finds nothing on it."""
    assert status == code
    language: Language = "ru" if page.evaluate("navigator.language") == "ru" else "en"
    words = texts(language)
    title = words.get(f"error.title-{code}", words["error.title-other"])
    expect(page.locator("html")).to_have_attribute("lang", language)
    expect(page.locator("h1")).to_have_text(f"{title} {code}")
    expect(page).to_have_title(f"{title} · Headgate")
    expect(page.locator("nav a")).to_have_count(len(NAVIGATION))
    expect(page.locator(".ways a[href='/']")).to_be_visible()
    refuse_violations(page)
