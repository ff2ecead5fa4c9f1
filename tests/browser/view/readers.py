"""Readers who only look: one page for each kind of them, and what axe has against it."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal

from axe_playwright_python.base import AXE_SCRIPT, AxeResults
from playwright.sync_api import Browser, Page

Scheme = Literal["light", "dark"]


class Readers:
    """Each goes from test to test and has forgotten all: headers, cookies, where it was.

    A page of its own is a process of its own, and axe is compiled anew in it: three times the CPU of a page that stays.
    """

    def __init__(self, browser: Browser) -> None:
        self._browser = browser
        self._pages: dict[tuple[Scheme, str], Page] = {}

    @contextmanager
    def one(self, scheme: Scheme, language: str, *, headers: dict[str, str] | None = None) -> Iterator[Page]:
        """The one with this scheme and language."""
        page = self._pages.get((scheme, language)) or self._come(scheme, language)
        page.set_viewport_size({"width": 1280, "height": 800})
        page.set_extra_http_headers(headers or {})
        try:
            yield page
        finally:
            page.set_extra_http_headers({})
            page.goto("about:blank")
            page.context.clear_cookies()

    def _come(self, scheme: Scheme, language: str) -> Page:
        context = self._browser.new_context(color_scheme=scheme, locale=language)
        page = self._pages[scheme, language] = context.new_page()
        return page


def refuse_violations(page: Page) -> None:
    """Axe finds nothing on it; what it finds good is not written down, which is half of its work."""
    if not page.evaluate("'axe' in window"):
        page.evaluate(AXE_SCRIPT)
    found = page.evaluate("axe.run({ resultTypes: ['violations'] }).then(({ violations }) => ({ violations }))")
    results = AxeResults(found)
    assert results.violations_count == 0, results.generate_report()
