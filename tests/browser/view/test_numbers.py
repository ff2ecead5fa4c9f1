"""What the pages say is what the API and the topic say, live, also about users with hostile names."""

import re

import httpx
from playwright.sync_api import Page, expect

from tests.browser.view.stack import GUARDED, TOKEN, Stack, until

HOSTILE = ("<script>document.title='taken'</script>", '"><img src=x onerror=alert(1)>', "{{ 7*7 }}", "Мария", "山田")
# Plenty for a busy machine; a live update takes a second.
SOON = 30_000


def digits(text: str) -> int:
    """A number as the page shows it."""
    return int(re.sub(r"\D", "", text))


def shown_total(page: Page) -> int:
    return digits(page.locator(".totals dd").first.inner_text())


def ends_shown(stack: Stack) -> dict[int, int]:
    return {row["partition"]: row["end_offset"] for row in stack.api("partitions")["partitions"]}


def test_first_start_says_how_to_send_the_first_application(page: Page, stack: Stack) -> None:
    page.goto("/")
    if stack.total() == 0:
        expect(page.locator(".empty code")).to_contain_text(f"{stack.url('gateway', '/applications')} ")
    expect(page.locator("#live")).to_be_visible()


def test_numbers_equal_api_and_topic(page: Page, stack: Stack) -> None:
    stack.submit(*HOSTILE, *(f"user-{number % 40}" for number in range(300)))
    total = stack.until_counted()
    page.goto("/")
    assert shown_total(page) == total
    ends = stack.topic_ends()
    until(lambda: ends_shown(stack) == ends, "the broker was asked again")
    page.goto("/partitions")
    rows = {
        int(row.locator("th").inner_text()): digits(row.locator("td").nth(2).inner_text())
        for row in page.locator("#live tbody tr").all()
    }
    assert rows == {partition: end - 1 for partition, end in ends.items() if end}
    assert sum(row["total"] for row in stack.api("partitions")["partitions"]) == total


def test_both_workers_show_the_same(stack: Stack) -> None:
    stack.until_counted()
    token = {"Authorization": f"Bearer {TOKEN}"}
    other = httpx.get(stack.url(GUARDED, "/api/overview"), headers=token, timeout=20).raise_for_status().json()
    ours = stack.api("overview")
    assert (other["total"], other["distinct_users"]) == (ours["total"], ours["distinct_users"])


def test_live_without_reload_and_without_other_hosts(page: Page, stack: Stack) -> None:
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    stack.submit("first")
    before = stack.until_counted()
    page.goto("/")
    expect(page.locator(".totals")).to_be_visible()
    page.evaluate("window.marker = 'the same page'")
    stack.submit("second", "third")
    page.wait_for_function(
        "(wanted) => document.querySelector('.totals dd').textContent.replace(/\\D/g, '') === wanted",
        arg=str(before + 2),
        timeout=SOON,
    )
    assert page.evaluate("window.marker") == "the same page"
    assert {url.split("/")[2] for url in asked} == {stack.url("metrics-1").split("/")[2]}


def test_updates_leave_what_is_open_and_what_is_typed(page: Page, stack: Stack) -> None:
    stack.submit("somebody")
    stack.until_counted()
    page.goto("/")
    page.locator("#rate summary").click()
    stack.submit("somebody else")
    total = stack.until_counted()
    page.wait_for_function(
        "(wanted) => document.querySelector('.totals dd').textContent.replace(/\\D/g, '') === wanted",
        arg=str(total),
        timeout=SOON,
    )
    assert page.locator("#rate details").get_attribute("open") is not None
    expect(page.locator("#rate canvas")).to_be_visible()


def test_pause_stops_updates_and_resume_brings_them(page: Page, stack: Stack) -> None:
    stack.submit("before the pause")
    before = stack.until_counted()
    page.goto("/")
    page.locator("#pause").click()
    stack.submit("in the pause")
    stack.until_counted()
    heard = page.locator(".as-of time").get_attribute("datetime")
    page.wait_for_timeout(2_500)
    assert page.locator(".as-of time").get_attribute("datetime") == heard
    assert shown_total(page) == before
    page.locator("#pause").click()
    page.wait_for_function(
        "(wanted) => document.querySelector('.totals dd').textContent.replace(/\\D/g, '') === wanted",
        arg=str(before + 1),
        timeout=SOON,
    )


def test_hostile_names_are_text(page: Page, stack: Stack) -> None:
    stack.submit(*(name for _ in range(60) for name in HOSTILE))
    stack.until_counted()
    dialogs: list[str] = []
    page.on("dialog", lambda dialog: dialogs.append(dialog.message))
    for path in ("/?names=full", "/live?names=full", "/live?user=%3Cscript&names=full"):
        page.goto(path)
        expect(page.locator("#live")).to_contain_text("<script>")
        assert page.title() != "taken"
    assert not dialogs
    assert page.locator("#live img, #live script").count() == 0


def test_names_are_masked_unless_asked_for(page: Page, stack: Stack) -> None:
    stack.submit("Philippa")
    stack.until_counted()
    page.goto("/live")
    expect(page.locator("#live")).to_contain_text("P***", timeout=SOON)
    assert "Philippa" not in page.locator("#live").inner_text()
    page.goto("/live?names=full")
    expect(page.locator("#live")).to_contain_text("Philippa", timeout=SOON)


def test_trace_follows_an_application_to_the_counters(page: Page, stack: Stack) -> None:
    (id_,) = stack.submit("traced")
    stack.until_counted()
    page.goto(f"/trace?id={id_}")
    expect(page.locator(".steps li.ok")).to_have_count(5, timeout=SOON)
    facts = stack.api(f"trace?id={id_}")
    published = next(step for step in facts["steps"] if step["step"] == "published")
    assert 0 <= published["offset"] < stack.topic_ends()[published["partition"]]


def test_every_page_has_its_json(page: Page, stack: Stack) -> None:
    stack.submit("json")
    stack.until_counted()
    for path in ("/", "/partitions?sort=lag", "/tables?q=owner", "/tables/counters/0", "/agents", "/live", "/health"):
        page.goto(path)
        address = page.locator("footer .twin a").get_attribute("href") or ""
        facts = httpx.get(stack.url("metrics-1", address), timeout=20).raise_for_status().json()
        assert facts["as_of"] > 0
        assert stack.url("metrics-1", address) in page.locator("footer code").inner_text()
