"""A worker that dies and a broker that goes away while somebody looks: said, not hidden, and over by itself."""

import re
from collections.abc import Iterator

import httpx
import pytest
from playwright.sync_api import Browser, Page, expect

from devstack.kafka.broker import Broker
from tests.browser.view.conftest import Opened
from tests.browser.view.stack import GUARDED, OPEN, TOKEN, Stack, until
from tests.browser.view.test_numbers import shown_total

# A broker that comes back, and groups that settle, on a busy machine.
LONG = 120_000


@pytest.fixture(scope="module")
def own_broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    node = Broker(tmp_path_factory.mktemp("kafka"))
    try:
        node.start()
        yield node
    finally:
        node.kill()


@pytest.fixture(scope="module")
def own_stack(opened: Opened, own_broker: Broker) -> Iterator[Stack]:
    yield from opened(own_broker)


@pytest.fixture
def watching(browser: Browser, own_stack: Stack) -> Iterator[Page]:
    context = browser.new_context(base_url=own_stack.url(OPEN), locale="en")
    page = context.new_page()
    own_stack.submit("somebody", "somebody else")
    own_stack.until_counted()
    page.goto("/")
    page.evaluate("window.marker = 'the same page'")
    yield page
    context.close()


@pytest.mark.timeout(400)
def test_a_worker_is_killed_and_replaced(watching: Page, own_stack: Stack) -> None:
    expect(watching.locator("#gone")).to_be_hidden()
    own_stack.kill(OPEN)
    expect(watching.locator("#gone")).to_be_visible(timeout=LONG)
    expect(watching.locator("#gone")).to_contain_text(re.compile(r"since \d\d:\d\d:\d\d"))
    own_stack.submit("while it was gone")
    own_stack.launch(OPEN)
    expect(watching.locator("#gone")).to_be_hidden(timeout=LONG)
    total = own_stack.total()
    watching.wait_for_function(
        "(wanted) => document.querySelector('.totals dd')?.textContent.replace(/\\D/g, '') === wanted",
        arg=str(total),
        timeout=LONG,
    )
    assert watching.evaluate("window.marker") == "the same page"
    own_stack.wait_ready(OPEN)


@pytest.mark.timeout(400)
def test_the_owner_of_partitions_is_gone(watching: Page, own_stack: Stack) -> None:
    own_stack.kill(GUARDED)
    watching.goto("/partitions")
    expect(watching.locator("#live")).not_to_contain_text(GUARDED, timeout=LONG)
    until(lambda: "worker-gone" in own_stack.happened(), "it is told", seconds=90)
    own_stack.launch(GUARDED)
    own_stack.wait_ready(GUARDED)
    watching.goto("/agents")
    expect(watching.locator("#live")).to_contain_text(GUARDED, timeout=LONG)
    until(lambda: {"worker-came", "rebalance"} <= set(own_stack.happened()), "its return, too", seconds=90)


@pytest.mark.timeout(600)
def test_the_broker_is_away(watching: Page, own_stack: Stack, own_broker: Broker) -> None:
    before = shown_total(watching)
    own_broker.stop()
    expect(watching.locator(".state a")).to_contain_text("Kafka has been away", timeout=LONG)
    expect(watching.locator(".finding.bad")).to_contain_text("Nothing is lost")
    own_stack.submit("accepted", "all the same")
    expect(watching.locator(".finding.bad")).to_contain_text("when last seen: 2", timeout=LONG)
    expect(watching.locator(".totals.stale")).to_be_visible()
    expect(watching.locator("[aria-labelledby=workers] .level.unknown")).to_have_count(3, timeout=LONG)
    for path in ("/partitions", "/tables", "/agents"):
        shown = httpx.get(own_stack.url(OPEN, path), timeout=60).text
        assert re.search(r'<table class="stacks[^"]* stale"', shown), path
    headers = {"Authorization": f"Bearer {TOKEN}", "Accept": "text/html"}
    refused = httpx.post(own_stack.url(GUARDED, "/redrive"), headers=headers, timeout=60)
    assert (refused.status_code, "nothing is sent twice" in refused.text) == (502, True)
    own_broker.start()
    expect(watching.locator(".state a")).to_contain_text("All well", timeout=2 * LONG)
    watching.wait_for_function(
        "(wanted) => document.querySelector('.totals dd')?.textContent.replace(/\\D/g, '') === wanted",
        arg=str(before + 2),
        timeout=LONG,
    )
    assert watching.evaluate("window.marker") == "the same page"
    until(lambda: {"kafka-away", "kafka-back"} <= set(own_stack.happened()), "it is told", seconds=90)
    watching.goto("/events")
    expect(watching.locator("#live")).to_contain_text("Kafka was away for", timeout=LONG)
