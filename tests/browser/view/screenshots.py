"""Takes the pictures in docs/screenshots of every page, wide and narrow: `make screenshots`.

Not collected with the tests; run as ``pytest tests/browser/view/screenshots.py``.
"""

import random

import pytest
from playwright.sync_api import Browser

from tests.browser.view.stack import GUARDED, TOKEN, Stack
from tests.support.commands import ROOT

FOLDER = ROOT / "docs/screenshots"
NAMES = (
    "ada",
    "grace",
    "linus",
    "margaret",
    "barbara",
    "edsger",
    "<script>alert(1)</script>",
    "Мария",
    "dennis",
    "ken",
)
LOOKS = {"wide": (1280, "light", "en"), "narrow": (360, "dark", "en")}


@pytest.fixture(scope="module")
def busy(stack: Stack) -> Stack:
    """Some minutes' worth of applications, and dead letters of two kinds."""
    weights = [1 / (rank + 1) for rank in range(len(NAMES))]
    chosen = random.Random(7)
    for _ in range(40):
        stack.submit(*chosen.choices(NAMES, weights, k=25))
    stack.dead_letter(b'{"id": "not an id"}')
    stack.dead_letter(None)
    stack.until_counted()
    return stack


@pytest.mark.parametrize("look", LOOKS)
def test_every_page(browser: Browser, busy: Stack, look: str) -> None:
    width, scheme, language = LOOKS[look]
    (id_,) = busy.submit("ada")
    busy.until_counted()
    context = browser.new_context(
        base_url=busy.url(GUARDED),
        viewport={"width": width, "height": 800},
        color_scheme="dark" if scheme == "dark" else "light",
        locale=language,
        timezone_id="Europe/Berlin",
        device_scale_factor=1,
    )
    page = context.new_page()
    page.goto("/login")
    page.screenshot(path=FOLDER / f"login-{look}.png", full_page=True)
    page.get_by_label("Token").fill(TOKEN)
    page.keyboard.press("Enter")
    page.wait_for_selector(".pipeline")
    letter = busy.api("dead-letters")["letters"][0]
    pages = {
        "overview": "/",
        "history": "/history?range=24h",
        "partitions": "/partitions",
        "groups": "/groups",
        "tables": "/tables",
        "entry": "/tables/counters/0?q=total",
        "agents": "/agents",
        "live": "/live",
        "dead-letters": "/dead-letters",
        "letter": f"/dead-letters/{letter['partition']}/{letter['offset']}",
        "events": "/events",
        "trace": f"/trace?id={id_}",
        "health": "/health",
        "preferences": "/preferences",
    }
    for name, path in pages.items():
        page.goto(path)
        page.wait_for_timeout(2_500)
        page.screenshot(path=FOLDER / f"{name}-{look}.png", full_page=name != "live")
    context.close()
