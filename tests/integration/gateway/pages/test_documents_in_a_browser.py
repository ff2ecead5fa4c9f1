"""/docs, /redoc and the form in a real browser: everything comes from the gateway, and the strict policy is kept."""

from collections.abc import AsyncIterator

import pytest
from playwright.async_api import Browser, async_playwright

from tests.support.chromium import FLAGS, MISSING, SHELL
from tests.support.http_gateway import Served, count

pytestmark = pytest.mark.skipif(SHELL is None, reason=MISSING)

# ReDoc's footer asks for this picture; the Content-Security-Policy stops it before it leaves.
_STOPPED = "https://cdn.redoc.ly/redoc/logo-mini.svg"


@pytest.fixture
async def browser() -> AsyncIterator[Browser]:
    async with async_playwright() as playwright:
        started = await playwright.chromium.launch(executable_path=SHELL, args=list(FLAGS))
        yield started
        await started.close()


@pytest.mark.parametrize(("address", "shows"), [("/docs", "Submit one application"), ("/redoc", "Submit many")])
async def test_the_documents_are_complete_without_any_other_host(
    http: Served,
    browser: Browser,
    address: str,
    shows: str,
) -> None:
    page = await browser.new_page()
    answered: list[str] = []
    wrong: list[str] = []
    page.on("response", lambda response: answered.append(response.url))
    page.on(
        "console", lambda line: wrong.append(line.text) if line.type == "error" and _STOPPED not in line.text else None
    )
    page.on("pageerror", lambda error: wrong.append(str(error)))
    base = f"http://127.0.0.1:{http.port}"
    await page.goto(base + address)
    await page.get_by_text(shows).locator("visible=true").first.wait_for(timeout=60_000)
    assert [url for url in answered if not url.startswith((base, "data:"))] == []
    assert wrong == []


async def test_the_form_works_without_javascript(http: Served, browser: Browser) -> None:
    context = await browser.new_context(java_script_enabled=False, locale="ru-RU")
    page = await context.new_page()
    await page.goto(f"http://127.0.0.1:{http.port}/")
    await page.get_by_label("Имя").fill("Анна Ковалёва")
    await page.get_by_role("button", name="Отправить").click()
    await page.locator("#description-wrong").wait_for(timeout=60_000)
    assert await page.get_by_label("Имя").input_value() == "Анна Ковалёва"
    await page.get_by_label("Заявка").fill("Пропуск\nв читальный зал")
    await page.get_by_role("button", name="Отправить").click()
    await page.get_by_text("Заявка принята").wait_for(timeout=60_000)
    assert await count(http.settings) == 1
