"""The gateway's own pages are for everybody too: without findings of axe, narrow, in both languages, by keyboard."""

import pytest
from playwright.sync_api import Browser

from tests.browser.view.readers import Readers, Scheme
from tests.browser.view.stack import Stack
from tests.browser.view.test_reading import LOOKS, every_control_is_reached, no_violations

NOBODY = "019f0000-0000-7000-8000-000000000000"
# Swagger UI and ReDoc, behind /docs and /redoc, are programs of their own.
PAGES = (
    "/",
    "/?accepted={id}",
    "/status",
    "/status?id={id}",
    "/status?id=no-id",
    f"/status?id={NOBODY}",
    "/problems/",
    "/problems/invalid",
    "/asyncapi",
)


@pytest.fixture(scope="module")
def id_(stack: Stack) -> str:
    """Of an application with the longest name there can be."""
    return stack.submit("W" * 255)[0]


@pytest.mark.parametrize(("scheme", "language"), LOOKS)
@pytest.mark.parametrize("path", PAGES)
def test_no_accessibility_violations_at_any_width(
    *, readers: Readers, stack: Stack, id_: str, path: str, scheme: Scheme, language: str
) -> None:
    no_violations(readers, stack.url("gateway", path.format(id=id_)), scheme, language)


@pytest.mark.parametrize("path", PAGES)
def test_keyboard_alone(browser: Browser, stack: Stack, id_: str, path: str) -> None:
    every_control_is_reached(browser, stack.url("gateway"), path.format(id=id_))
