"""Two gateways and two metrics workers at once: each is shown with its state, and one that is killed is missed live."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from devstack.kafka.broker import Broker
from tests.browser.view.conftest import Opened
from tests.browser.view.stack import GUARDED, OPEN, STACK, Stack, until

OTHER = "gateway-2"
# A killed worker keeps its partitions for half a minute, a killed gateway its lease for twelve seconds.
LONG = 120_000


@pytest.fixture(scope="module")
def several(opened: Opened, broker: Broker) -> Iterator[Stack]:
    yield from opened(broker, names=(*STACK, OTHER))


@pytest.fixture
def watching(browser: Browser, several: Stack) -> Iterator[Page]:
    """Somebody who opens a page with ``watch`` and never reloads it."""
    context = browser.new_context(base_url=several.url(OPEN), locale="en")
    several.submit(*(f"user-{number}" for number in range(60)))
    several.until_counted()
    until(lambda: owners(several) == {OPEN, GUARDED}, "both workers own partitions")
    yield context.new_page()
    context.close()


def watch(page: Page, path: str) -> None:
    page.goto(path)
    page.evaluate("window.marker = 'the same page'")


def owners(stack: Stack) -> set[str]:
    return {row["owner"] for row in stack.api("partitions")["partitions"]}


def gateway(page: Page, stack: Stack, name: str) -> Locator:
    """The row of a gateway, which calls itself by host, port and process id."""
    return page.locator("[aria-labelledby=gateways] tbody tr", has_text=f":{stack.ports[name]}#")


def worker(page: Page, name: str) -> Locator:
    return page.locator("[aria-labelledby=workers] tbody tr", has_text=name)


def test_each_one_is_shown_with_its_state(watching: Page, several: Stack) -> None:
    watching.goto("/")
    for name in ("gateway", OTHER):
        expect(gateway(watching, several, name)).to_contain_text("running", timeout=LONG)
    for name in ("journal-1", OPEN, GUARDED):
        expect(worker(watching, name)).to_contain_text("running", timeout=LONG)
    expect(watching.locator(".state a")).to_contain_text("All well", timeout=LONG)


def test_the_owner_of_each_partition_is_who_counts_it(watching: Page, several: Stack) -> None:
    """What the broker says of owners is what the counted states say of who wrote them."""
    rows = several.api("partitions")["partitions"]
    counted_by = {row["partition"]: row["counted_last_by"] for row in rows}
    watching.goto("/partitions")
    for partition, name in counted_by.items():
        expect(watching.locator(f"#partition-{partition} .name")).to_have_text(name)
    assert set(counted_by.values()) == {OPEN, GUARDED}
    watching.goto("/")
    for name in (OPEN, GUARDED):
        its = ", ".join(str(partition) for partition, owner in counted_by.items() if owner == name)
        expect(worker(watching, name).locator("td").last).to_have_text(its)


@pytest.mark.timeout(400)
def test_a_killed_worker_hands_its_partitions_to_the_other_before_your_eyes(watching: Page, several: Stack) -> None:
    watch(watching, "/partitions")
    several.kill(GUARDED)
    expect(watching.locator("#live tbody .name")).to_have_text([OPEN] * len(several.topic_ends()), timeout=LONG)
    assert watching.evaluate("window.marker") == "the same page"
    watching.goto("/")
    expect(worker(watching, GUARDED)).to_have_count(0)
    several.launch(GUARDED)
    expect(worker(watching, GUARDED)).to_contain_text("running", timeout=LONG)
    several.wait_ready(GUARDED)


@pytest.mark.timeout(400)
def test_killed_gateways_are_missed_before_your_eyes(watching: Page, several: Stack) -> None:
    """The other one publishes the rest of the first; the last has nobody to do so, and stays as silent."""
    watch(watching, "/")
    several.kill(OTHER)
    expect(gateway(watching, several, OTHER)).to_have_count(0, timeout=LONG)
    expect(gateway(watching, several, "gateway")).to_contain_text("running")
    expect(watching.locator(".state a")).to_contain_text("All well", timeout=LONG)
    several.kill("gateway")
    expect(watching.locator(".finding.bad")).to_contain_text("No gateway runs", timeout=LONG)
    expect(gateway(watching, several, "gateway")).to_contain_text("silent")
    expect(gateway(watching, several, "gateway")).to_have_class("stale")
    expect(watching.locator(".state a")).to_contain_text("No gateway runs")
    assert watching.evaluate("window.marker") == "the same page"
