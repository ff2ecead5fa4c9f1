"""What the pages say is what the API and the topic say, live, also about users with hostile names."""

import csv
import json
import re

import httpx
from playwright.sync_api import Page, expect

from tests.browser.view.stack import GUARDED, OPEN, TOKEN, Stack, until

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


def test_what_is_personal_is_masked_unless_asked_for(page: Page, stack: Stack) -> None:
    """On every page that has any of it, and in its JSON; the worker's log says that it was looked at."""
    (id_,) = stack.submit("Philippa")
    stack.until_counted()
    stack.dead_letter(b'{"user_name": "Philippa of the weir"}', ("said-by", b"Philippa"))
    letter = stack.api("dead-letters")["letters"][0]
    pages = [
        "/",
        "/live",
        f"/trace?id={id_}",
        "/dead-letters",
        f"/dead-letters/{letter['partition']}/{letter['offset']}",
    ]
    for path in pages:
        page.goto(path)
        expect(page.locator("#live")).to_contain_text(re.compile(r"P\*\*\*|•{8}"), timeout=SOON)
        assert "Philippa" not in page.content()
        assert "Philippa" not in str(stack.api(path.lstrip("/") or "overview"))
        page.locator(".names a").click()
        expect(page.locator("#live")).to_contain_text("Philippa", timeout=SOON)
        page.locator(".names a").click()
        expect(page.locator("#live")).not_to_contain_text("Philippa", timeout=SOON)
    looks = [line for line in stack.log(OPEN).splitlines() if "names were shown in full" in line]
    assert all(
        any(re.search(rf'page"?[=:] ?"?{kind}\b', line) for line in looks)
        for kind in ("overview", "live", "trace", "letter")
    )
    assert not any("Philippa" in line for line in looks)


def test_the_box_on_every_page_goes_to_what_is_typed(page: Page, stack: Stack) -> None:
    (id_,) = stack.submit("sought")
    stack.until_counted()
    stack.dead_letter(b"lost")
    published = next(step for step in stack.api(f"trace?id={id_}")["steps"] if step["step"] == "published")
    letter = stack.api("dead-letters")["letters"][0]
    place = f"{letter['partition']}:{letter['offset']}"
    for typed, path in (
        (id_, f"/trace?id={id_}"),
        (f" http://127.0.0.1:8000/applications/{id_}", f"/trace?id={id_}"),
        (f"{published['partition']}:{published['offset']}", f"/trace?id={id_}"),
        (place, f"/dead-letters/{place.replace(':', '/')}"),
        (place.replace(":", "/"), f"/dead-letters/{place.replace(':', '/')}"),
        ("SOUGHT", "/live?user=SOUGHT"),
        ("", "/"),
    ):
        page.goto("/health")
        page.locator("#search").fill(typed)
        page.locator("#search").press("Enter")
        page.wait_for_url(stack.url(OPEN, path), timeout=SOON)
    page.goto("/live?user=SOUGHT")
    expect(page.locator("#live tbody")).to_contain_text(id_, timeout=SOON)
    for place in ("0:999999999999999999", "77:0"):
        assert httpx.get(stack.url(OPEN, "/search"), params={"q": place}).headers["location"] == (
            f"/dead-letters/{place.replace(':', '/')}"
        )


def test_the_live_tail_keeps_its_place_and_exports_what_it_shows(page: Page, stack: Stack) -> None:
    ids = stack.submit("=cmd()", "kept place", "kept place")
    stack.until_counted()
    page.goto("/live?user=kept place")
    expect(page.locator("#live tbody tr")).to_have_count(2, timeout=SOON)
    page.get_by_role("link", name="Keep this place").click()
    stack.submit("kept place")
    expect(page.locator("#live")).to_contain_text(re.compile(r"[1-9]\d* newer event"), timeout=SOON)
    expect(page.locator("#live tbody tr")).to_have_count(2)
    page.get_by_role("link", name="← The newest").click()
    expect(page.locator("#live tbody tr")).to_have_count(3, timeout=SOON)
    page.goto("/live?names=full&text=BRIDGE FOR kept")
    expect(page.locator("#live tbody tr")).to_have_count(3, timeout=SOON)
    with page.expect_download() as download:
        page.get_by_role("link", name="CSV").click()
    rows = list(csv.DictReader(download.value.path().read_text("utf-8-sig").splitlines()))
    assert {row["user_name"] for row in rows} == {"kept place"}
    assert stack.api("live?text=bridge")["events"] == []
    lines = httpx.get(stack.url(OPEN, "/export/live.ndjson?names=full&user=cmd")).text.splitlines()
    assert [json.loads(line)["id"] for line in lines] == ids[:1]


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
    for path in (
        "/",
        "/history?range=7d",
        "/events",
        "/groups",
        "/partitions?sort=lag",
        "/tables?q=owner",
        "/tables/counters/0",
        "/agents",
        "/live",
        "/health",
    ):
        page.goto(path)
        address = page.locator("footer .twin a").get_attribute("href") or ""
        facts = httpx.get(stack.url("metrics-1", address), timeout=20).raise_for_status().json()
        assert facts["as_of"] > 0
        assert stack.url("metrics-1", address) in page.locator("footer code").inner_text()
