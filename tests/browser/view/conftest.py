"""A browser, and the whole stack for it to look at."""

import secrets
from collections.abc import Callable, Iterator, Sequence
from functools import partial

import asyncpg
import pytest
from playwright.sync_api import Browser, Page, sync_playwright
from sqlalchemy.engine import make_url

from cli.settings import Shape
from cli.topics.create import create
from contracts import Topics
from devstack.kafka.broker import Broker
from devstack.postgresql.postgres import Postgres
from tests.browser.view.readers import Readers
from tests.browser.view.stack import OPEN, STACK, Stack, in_thread
from tests.support.chromium import CHROMIUM, FLAGS, MISSING, SHELL

Opened = Callable[..., Iterator[Stack]]


@pytest.fixture(scope="package")
def browser(template_database: str) -> Iterator[Browser]:  # noqa: ARG001 -- made before, see below
    """The shell of the system's Chromium; without one these tests are left out, which CI takes for a failure.

    While it runs, this thread has a running event loop: what needs one of its own is made before, or in a thread.
    """
    if not (SHELL and CHROMIUM):
        pytest.skip(MISSING)
    with sync_playwright() as playwright:
        shell = playwright.chromium.launch(executable_path=SHELL, args=list(FLAGS))
        yield shell
        shell.close()


@pytest.fixture(scope="package")
def readers(browser: Browser) -> Readers:
    """Those who only look."""
    return Readers(browser)


@pytest.fixture(scope="package")
def stack(opened: Opened, broker: Broker) -> Iterator[Stack]:
    """The stack that most tests share."""
    yield from opened(broker)


@pytest.fixture(scope="package")
def opened(
    browser: Browser,  # noqa: ARG001 -- no stack without somebody to look at it
    postgres: Postgres,
    template_database: str,
    tmp_path_factory: pytest.TempPathFactory,
) -> Opened:
    """Opens a stack on a broker; ``names`` are its processes, where they are not the usual ones."""
    return partial(_opened, postgres, template_database, tmp_path_factory)


def _opened(
    postgres: Postgres,
    template: str,
    folders: pytest.TempPathFactory,
    broker: Broker,
    *,
    names: Sequence[str] = STACK,
) -> Iterator[Stack]:
    """A stack with a database and topics of its own."""
    name = f"view_{secrets.token_hex(6)}"
    in_thread(_execute(postgres, f"CREATE DATABASE {name} OWNER headgate TEMPLATE {template}"))
    topics = Topics(f"{name}.")
    in_thread(create(broker.kafka, topics, Shape()))
    stack = Stack(postgres.url(name), broker.kafka, topics, folders.mktemp("stack"))
    try:
        stack.start(names)
        yield stack
    finally:
        stack.stop()
        in_thread(_execute(postgres, f"DROP DATABASE {name} WITH (FORCE)"))


@pytest.fixture
def page(browser: Browser, stack: Stack) -> Iterator[Page]:
    """A fresh reader: no cookies, English, in Berlin; any error on the console is a failure."""
    context = browser.new_context(
        base_url=stack.url(OPEN), locale="en-US", timezone_id="Europe/Berlin", viewport={"width": 1280, "height": 800}
    )
    page = context.new_page()
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on("console", lambda message: errors.append(message.text) if "Content Security" in message.text else None)
    yield page
    context.close()
    assert not errors


async def _execute(server: Postgres, statement: str) -> None:
    url = make_url(server.admin_url()).set(drivername="postgresql")
    connection = await asyncpg.connect(url.render_as_string(hide_password=False))
    try:
        await connection.execute(statement)
    finally:
        await connection.close()
