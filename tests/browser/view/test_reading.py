"""Pages for everybody: without JavaScript, from the keyboard, with a screen reader, narrow, in two languages."""

import re
from collections.abc import Iterator

import httpx
import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.view.readers import Readers, Scheme, refuse_violations
from tests.browser.view.stack import GUARDED, OPEN, TOKEN, Stack, until
from tests.browser.view.test_numbers import HOSTILE

PAGES = (
    "/",
    "/history",
    "/history?range=15m",
    "/history?range=13mo",
    "/partitions",
    "/groups",
    "/groups?group={group}",
    "/tables",
    "/tables?q=owner",
    "/tables/counters/0",
    "/agents",
    "/live",
    "/live?names=full",
    "/live?before={here}&user=nobody",
    "/dead-letters",
    "/dead-letters?reason=invalid&before={here}",
    "/dead-letters?before=0.0.0.0",
    "/dead-letters/{letter}",
    "/dead-letters/{letter}?names=full",
    "/events",
    "/events?level=warn",
    "/trace",
    "/trace?id={id}",
    "/trace?id=no-id",
    "/health",
    "/login",
    "/preferences",
    "/nothing-here",
)

WIDTHS = (360, 768, 1280)
LOOKS = (("light", "en"), ("dark", "ru"))
# What is cut, or beside what it belongs to.
CROOKED = """() => {
  const cut = [...document.querySelectorAll("input[type=search], #id, td, th, dd, button")].filter(
    ({ clientWidth, scrollWidth }) => clientWidth && scrollWidth > clientWidth + 1);
  const apart = [...document.querySelectorAll(".stacks [data-label]")].filter((cell) => {
    const parts = [...cell.childNodes].filter((part) => part.textContent.trim());
    return getComputedStyle(cell).display === "flex" && parts.length > 1;
  });
  const wide = document.documentElement.scrollWidth > innerWidth ? [document.body] : [];
  return [...cut, ...apart, ...wide].map(({ outerHTML }) => outerHTML.slice(0, 200));
}"""

# Those that Tab has not reached yet, and those that do not show that they have the focus.
CONTROLS = """() => {
  const all = document.querySelectorAll("a[href], button, input, select, textarea, summary, [tabindex='0']");
  window.left = new Set([...all].filter((one) => one.checkVisibility() && one.type !== "hidden"));
  window.unseen = [];
  window.told = ({ outerHTML }) => outerHTML.slice(0, 200);
  document.addEventListener("focusin", ({ target }) => {
    const { outlineStyle, outlineWidth } = getComputedStyle(target);
    if (outlineStyle === "none" || outlineWidth === "0px") unseen.push(target);
    left.delete(target);
  });
}"""


@pytest.fixture(scope="module")
def filled(stack: Stack) -> Stack:
    """With applications and a dead letter to show."""
    stack.submit(*HOSTILE, *(f"user-{number}" for number in range(60)))
    until(lambda: "watching" in stack.happened(), "somebody watches what happens")
    stack.dead_letter(b"\xff\x00<script>alert(1)</script>")
    stack.until_counted()
    until(lambda: "dead-letters" in stack.happened(), "it is among the events")
    return stack


@pytest.fixture(scope="module")
def places(filled: Stack) -> dict[str, str]:
    """What stands in the addresses of single things."""
    letters = filled.api("dead-letters")
    newest = letters["letters"][0]
    (id_,) = filled.submit("traced")
    letter = f"{newest['partition']}/{newest['offset']}"
    return {"letter": letter, "here": letters["here"], "id": id_, "group": f"{filled.topics.prefix}metrics"}


@pytest.mark.parametrize(("scheme", "language"), LOOKS)
@pytest.mark.parametrize("path", PAGES)
def test_no_accessibility_violations(
    readers: Readers, filled: Stack, places: dict[str, str], path: str, scheme: Scheme, language: str
) -> None:
    no_violations(readers, filled.url(OPEN, path.format(**places)), scheme, language)


@pytest.mark.parametrize(("scheme", "language"), LOOKS)
@pytest.mark.parametrize(
    ("path", "token"),
    [("/login", None), ("/", None), ("/dead-letters", TOKEN), ("/dead-letters/{letter}", TOKEN), ("/", TOKEN)],
)
def test_no_accessibility_violations_where_a_token_is_needed(
    *,
    readers: Readers,
    filled: Stack,
    places: dict[str, str],
    path: str,
    token: str | None,
    scheme: Scheme,
    language: str,
) -> None:
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    no_violations(readers, filled.url(GUARDED, path.format(**places)), scheme, language, headers=headers)


def no_violations(
    readers: Readers, url: str, scheme: Scheme, language: str, *, headers: dict[str, str] | None = None
) -> None:
    """Axe finds nothing on a page, at any width, and nothing is crooked."""
    with readers.one(scheme, language, headers=headers) as page:
        page.goto(url)
        assert page.locator("html").get_attribute("lang") == language
        for width in WIDTHS:
            page.set_viewport_size({"width": width, "height": 800})
            refuse_violations(page)
            assert page.evaluate(CROOKED) == []


@pytest.mark.parametrize("path", PAGES)
def test_every_control_is_reached_by_tab_and_shows_it(
    browser: Browser, filled: Stack, places: dict[str, str], path: str
) -> None:
    every_control_is_reached(browser, filled.url(OPEN), path.format(**places))


def every_control_is_reached(browser: Browser, base: str, path: str) -> None:
    """One after another from the top of a page, each with an outline."""
    context = browser.new_context(base_url=base, viewport={"width": 360, "height": 800})
    page = context.new_page()
    page.goto(path)
    page.evaluate(CONTROLS)
    for _ in range(page.evaluate("left.size") + 5):
        page.keyboard.press("Tab")
    left, unseen = page.evaluate(
        "[[...left].filter(({ isConnected }) => isConnected), unseen].map((of) => of.map(told))"
    )
    assert (left, unseen) == ([], [])
    context.close()


@pytest.mark.parametrize("width", [360, 1280])
@pytest.mark.parametrize("path", ["/?names=full", "/live?names=full"])
def test_the_longest_names_in_full_scroll_nothing_sideways(
    browser: Browser, filled: Stack, path: str, width: int
) -> None:
    filled.submit(*("W" * 255, "\U0001d518" * 255) * 20)
    filled.until_counted()
    context = browser.new_context(base_url=filled.url(OPEN), viewport={"width": width, "height": 740}, locale="en")
    page = context.new_page()
    page.goto(path)
    expect(page.locator("#live")).to_contain_text("W" * 10, timeout=30_000)
    shown = page.evaluate("document.documentElement.scrollWidth")
    context.close()
    assert shown <= width


@pytest.fixture
def plain(browser: Browser, filled: Stack) -> Iterator[Page]:
    """A browser without JavaScript."""
    context = browser.new_context(base_url=filled.url(OPEN), java_script_enabled=False, locale="en")
    yield context.new_page()
    context.close()


def test_complete_without_javascript(plain: Page, filled: Stack) -> None:
    plain.goto("/")
    total = filled.until_counted()
    expect(plain.locator(".totals dd").first).to_have_text(f"{total:,}".replace(",", "\u202f"))
    assert plain.locator(".chart svg polyline").count() == 2
    plain.get_by_role("link", name="Partitions").click()
    assert plain.locator("#live tbody tr").count() == len(filled.topic_ends())
    plain.get_by_role("link", name="lag", exact=True).click()
    assert plain.url.endswith("?sort=lag")


def test_the_history_is_chosen_by_links_and_is_the_same_as_json_and_csv(plain: Page, filled: Stack) -> None:
    plain.goto("/")
    plain.get_by_role("link", name="24 hours").click()
    assert plain.url.endswith("/history?range=24h")
    expect(plain.locator("nav.ranges [aria-current]")).to_have_text("24 hours")
    assert plain.locator(".chart svg polyline.first").count() == 3
    facts = filled.api("history?range=24h")
    assert sum(row[1] or 0 for row in facts["rate"]) > 0
    table = httpx.get(filled.url(OPEN, "/api/history.csv?range=24h"), timeout=20).raise_for_status()
    assert table.headers["content-type"].startswith("text/csv")
    assert table.text.startswith("series,time,value\nrate_per_second,")
    plain.get_by_role("link", name="7 days").click()
    expect(plain.locator("nav.ranges [aria-current]")).to_have_text("7 days")


@pytest.mark.parametrize("highest", [18_000, 180_000, 2_000_000, 180_000_000])
def test_the_numbers_beside_a_chart_are_whole(page: Page, filled: Stack, highest: int) -> None:  # noqa: ARG001 -- with something to draw
    page.goto("/history")
    page.locator("#pause").click()
    page.evaluate(
        """(highest) => {
          const plot = document.querySelector("#latency .plot");
          const now = Number(plot.dataset.now);
          plot.dataset.points = JSON.stringify([[now - 3600, 1, highest, null], [now, 1, highest, null]]);
          dispatchEvent(new Event("resize"));
        }""",
        highest,
    )
    edge = page.evaluate(
        """() => {
          const canvas = document.querySelector("#latency canvas");
          return canvas.getContext("2d").getImageData(0, 0, 2, canvas.height).data.some((one) => one);
        }"""
    )
    assert not edge


def test_our_groups_are_among_those_that_read_the_applications(plain: Page, filled: Stack) -> None:
    plain.goto("/groups")
    prefix = filled.topics.prefix
    for kind in ("metrics", "journal"):
        row = plain.locator("#live tbody tr", has=plain.get_by_role("link", name=f"{prefix}{kind}", exact=True))
        expect(row).to_contain_text("ours")
    found = {group["group"]: group for group in filled.api("groups")["groups"]}
    assert (found[f"{prefix}metrics"]["ours"], len(found[f"{prefix}metrics"]["members"])) == ("metrics", 2)
    plain.get_by_role("link", name=f"{prefix}journal", exact=True).click()
    assert plain.locator("[aria-labelledby=of-group] tbody tr").count() == len(filled.topic_ends())


def test_what_happened_is_under_the_charts_and_on_its_page(plain: Page) -> None:
    plain.goto("/")
    assert plain.locator("#rate .marks line.warn").count() > 0
    expect(plain.locator(".happened")).to_contain_text("dead letter")
    plain.get_by_role("link", name="All events").click()
    expect(plain.locator("h1")).to_have_text("Events")
    expect(plain.locator("#live tbody")).to_contain_text("dead letter")
    plain.get_by_role("link", name="what needed attention").click()
    expect(plain.locator("#live tbody")).not_to_contain_text("Events are kept")


def test_language_theme_and_zone_are_remembered_without_javascript(plain: Page) -> None:
    plain.goto("/agents")
    plain.get_by_role("button", name="RU").click()
    expect(plain.locator("h1")).to_have_text("Агенты")
    plain.locator("button.theme").click()
    assert plain.locator("html").get_attribute("data-theme") == "dark"
    plain.get_by_role("link", name="Время: UTC").click()
    plain.locator("#tz").select_option("Asia/Tokyo")
    plain.get_by_role("button", name="Сохранить").click()
    expect(plain.locator("footer")).to_contain_text("Asia/Tokyo")
    assert plain.url.endswith("/agents")


def test_times_are_in_the_readers_zone(browser: Browser, filled: Stack) -> None:
    context = browser.new_context(base_url=filled.url(OPEN), timezone_id="Asia/Tokyo", locale="en")
    page = context.new_page()
    page.goto("/")
    expect(page.locator("footer")).to_contain_text("Asia/Tokyo", timeout=30_000)
    expect(page.locator(".as-of time")).to_have_attribute("title", re.compile("Asia/Tokyo$"), timeout=30_000)
    context.close()


def test_keyboard_alone(page: Page, filled: Stack) -> None:
    page.goto("/")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "main"
    page.goto("/")
    tab_to(page, "a[href='/trace']")
    outline = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
    assert outline != "none"
    page.keyboard.press("Enter")
    expect(page.locator("h1")).to_have_text("Trace")
    (id_,) = filled.submit("keyboard")
    tab_to(page, "#id")
    page.keyboard.type(id_)
    page.keyboard.press("Enter")
    expect(page.locator(".steps")).to_be_visible()


def tab_to(page: Page, selector: str) -> None:
    """Press Tab until the element has the focus."""
    for _ in range(40):
        page.keyboard.press("Tab")
        if page.evaluate("(selector) => document.activeElement.matches(selector)", selector):
            return
    raise AssertionError(f"Tab does not reach {selector}")
