"""Seven pages in one browser, of which one is seen: a browser has six connections for a host."""

import itertools
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from playwright.sync_api import Browser, CDPSession, Page, expect

from tests.browser.view.stack import GUARDED, OPEN, TOKEN, Stack, until
from tests.support.chromium import CHROMIUM, FLAGS

CONNECTIONS = 6
SHOWN_TOTAL = "document.querySelector('.totals dd')?.textContent.replace(/\\D/g, '')"


@dataclass
class Tabs:
    """Tabs of one window, the one that is in front visible: Playwright's own pages all say that they are seen."""

    session: CDPSession
    waits: Page
    numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))
    answers: dict[int, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.session.on("Target.receivedMessageFromTarget", self._answered)

    def open(self, url: str) -> "Tab":
        target = self.session.send("Target.createTarget", {"url": url})["targetId"]
        attached = self.session.send("Target.attachToTarget", {"targetId": target, "flatten": False})
        return Tab(self, target, attached["sessionId"])

    def ask(self, session: str, expression: str) -> Any:
        number = next(self.numbers)
        asked = {"id": number, "method": "Runtime.evaluate"}
        asked["params"] = {"expression": expression, "returnByValue": True}
        self.session.send("Target.sendMessageToTarget", {"sessionId": session, "message": json.dumps(asked)})
        for _ in range(200):
            if number in self.answers:
                return self.answers.pop(number).get("result", {}).get("result", {}).get("value")
            self.waits.wait_for_timeout(50)
        raise AssertionError(f"no answer to {expression}")

    def _answered(self, event: dict[str, Any]) -> None:
        answer = json.loads(event["message"])
        self.answers[answer.get("id", 0)] = answer


@dataclass
class Tab:
    """One of them."""

    tabs: Tabs
    target: str
    session: str

    def says(self, expression: str) -> Any:
        return self.tabs.ask(self.session, expression)

    def show(self) -> None:
        self.tabs.session.send("Target.activateTarget", {"targetId": self.target})
        until(lambda: bool(self.says("document.visibilityState") == "visible"), "the tab is in front")

    def close(self) -> None:
        self.tabs.session.send("Target.closeTarget", {"targetId": self.target})


@pytest.fixture
def tabs(browser: Browser, page: Page) -> Iterator[Tabs]:
    """Of a whole Chromium: its shell has no windows."""
    windowed = browser.browser_type.launch(executable_path=CHROMIUM, args=list(FLAGS))
    yield Tabs(windowed.new_browser_cdp_session(), page)
    windowed.close()


def test_the_seventh_page_opens_and_the_first_catches_up_when_it_is_seen_again(tabs: Tabs, stack: Stack) -> None:
    stack.submit("somebody")
    before = stack.until_counted()
    opened = []
    for _ in range(CONNECTIONS + 1):
        tab = tabs.open(stack.url(OPEN))
        opened.append(tab)
        until(lambda tab=tab: tab.says(SHOWN_TOTAL) is not None, f"page {len(opened)} is there", seconds=30)  # type: ignore[misc]
        # Its stream has told something: pages that nobody has looked at would take no connection anyway.
        tab.says("document.addEventListener('htmx:sseMessage', () => { window.heard = true })")
        until(lambda tab=tab: tab.says("window.heard === true"), f"page {len(opened)} is live", seconds=30)  # type: ignore[misc]
    first = opened[0]
    assert first.says("document.visibilityState") == "hidden"
    first.says("window.marker = 'the same page'")
    stack.submit("while it was not seen")
    assert stack.until_counted() == before + 1
    assert first.says(SHOWN_TOTAL) == str(before)
    first.show()
    until(lambda: bool(first.says(SHOWN_TOTAL) == str(before + 1)), "it has caught up", seconds=30)
    assert first.says("window.marker") == "the same page"
    assert first.says("document.getElementById('gone').hidden")
    for tab in opened:
        tab.close()


def test_what_changed_in_a_pause_is_there_after_it(browser: Browser, stack: Stack) -> None:
    """Once, and not again: a stream tells each change only once."""
    context = browser.new_context(base_url=stack.url(OPEN), locale="en")
    page = context.new_page()
    stack.dead_letter(b"before the pause")
    page.goto("/dead-letters?names=full")
    expect(page.locator("#live tbody")).to_contain_text("before the pause")
    with page.expect_event("console", lambda message: message.text == "told", timeout=30_000):
        page.evaluate("document.addEventListener('htmx:sseBeforeMessage', () => console.log('told'))")
    page.locator("#pause").click()
    page.evaluate(
        "document.getElementById('live').addEventListener('htmx:sseBeforeMessage', (event) => {"
        " if (event.detail.data.includes('in the pause')) console.log('live told') })"
    )
    with page.expect_event("console", lambda message: message.text == "live told", timeout=60_000):
        stack.dead_letter(b"in the pause")
    assert "in the pause" not in page.locator("#live").inner_text()
    page.locator("#pause").click()
    expect(page.locator("#live tbody")).to_contain_text("in the pause", timeout=30_000)
    context.close()


def test_a_refused_stream_is_asked_for_again(browser: Browser, stack: Stack) -> None:
    """By the page itself: a browser gives up after the first refusal."""
    context = browser.new_context(
        base_url=stack.url(GUARDED), locale="en", extra_http_headers={"Authorization": f"Bearer {TOKEN}"}
    )
    page = context.new_page()
    refused: list[str] = []

    def refuse_twice(route: Any) -> None:
        if len(refused) < 2:
            refused.append(route.request.url)
            route.fulfill(status=503, body="")
        else:
            route.continue_()

    page.route("**/events/**", refuse_twice)
    page.goto("/")
    stack.submit("after two refusals")
    total = stack.until_counted()
    page.wait_for_function(f"(wanted) => {SHOWN_TOTAL} === wanted", arg=str(total), timeout=60_000)
    assert len(refused) == 2
    context.close()
