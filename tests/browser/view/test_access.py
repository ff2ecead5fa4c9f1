"""Who may look, who may change, and what no other site can do."""

import socket
import subprocess
import sys
from datetime import UTC, datetime

import httpx
import pytest
from playwright.sync_api import Browser, expect
from uuid_utils.compat import uuid7

from stream_workers.letters.dead_letters import DeadLetter, Origin
from tests.browser.view.stack import GUARDED, OPEN, TOKEN, Stack, until
from tests.browser.view.test_reading import tab_to
from tests.records import to_value

BEARER = {"Authorization": f"Bearer {TOKEN}"}


def ask(stack: Stack, method: str, path: str, **more: object) -> httpx.Response:
    with httpx.Client(timeout=30) as client:
        return client.request(method, stack.url(GUARDED, path), **more)  # type: ignore[arg-type]


def test_without_the_token_there_is_health_alone(stack: Stack) -> None:
    for path in ("/livez", "/readyz", "/health", "/api/health"):
        assert ask(stack, "GET", path).status_code == 200
    for path in (
        "/",
        "/api/overview",
        "/events/overview",
        "/api/metrics",
        "/api/live",
        "/tables/counters/0",
        "/metrics",
    ):
        assert ask(stack, "GET", path).status_code == 401
    assert ask(stack, "GET", "/", headers={"Accept": "text/html"}).headers["location"] == "/login?next=/"
    assert ask(stack, "GET", "/api/overview", headers={"Authorization": "Bearer wrong"}).status_code == 401
    assert ask(stack, "GET", "/api/overview", headers=BEARER).status_code == 200


def test_people_log_in_once_and_redrive(browser: Browser, stack: Stack) -> None:
    stack.dead_letter(b"not an application")
    context = browser.new_context(base_url=stack.url(GUARDED), locale="en")
    page = context.new_page()
    page.goto("/dead-letters")
    page.get_by_label("Token").fill("not this one")
    page.get_by_role("button", name="Log in").click()
    expect(page.get_by_role("alert")).to_be_visible()
    page.get_by_label("Token").fill(TOKEN)
    page.get_by_role("button", name="Log in").click()
    expect(page.locator("h1")).to_have_text("Dead letters")
    cookies = {cookie["name"]: cookie for cookie in context.cookies()}
    assert cookies["headgate_session"]["httpOnly"]
    assert cookies["headgate_session"]["sameSite"] == "Lax"
    assert TOKEN not in str(cookies)
    page.locator("#live tbody a").first.click()
    expect(page.locator(".redrive")).to_contain_text("cannot read it either")
    page.get_by_role("button", name="Log out").click()
    page.goto("/dead-letters")
    expect(page.locator("h1")).to_have_text("Log in")
    context.close()


def test_a_letter_that_can_be_read_now_is_sent_again_and_counted(browser: Browser, stack: Stack) -> None:
    stack.submit("before")
    stack.until_counted()
    counted, now = stack.api("overview")["total"], datetime.now(UTC)
    application = to_value(id=uuid7(), user_name="later", description="readable by now", created_at=now)
    origin = Origin(stack.topics.applications, 0, 1_000_000)
    letter = DeadLetter(origin, "unknown-version", "of a later version", now.isoformat(), b"later", application)
    stack.produce(stack.topics.dead_letters, application, key=origin.key(), headers=letter.to_headers())
    context = browser.new_context(base_url=stack.url(GUARDED), locale="en", extra_http_headers=BEARER)
    page = context.new_page()
    page.goto("/dead-letters")
    expect(page.locator(".redrive button")).to_contain_text("Send 1 again")
    page.goto("/dead-letters/0/1000000")
    tab_to(page, ".redrive button")
    page.keyboard.press("Enter")
    expect(page.locator(".redrive")).to_contain_text("sent again already", timeout=60_000)
    context.close()
    stack.beyond += 1
    until(lambda: bool(stack.api("overview")["total"] == counted + 1), "the letter is counted")


@pytest.mark.parametrize(
    "headers",
    [
        {},
        BEARER | {"Origin": "http://elsewhere.example"},
        BEARER | {"Sec-Fetch-Site": "cross-site"},
        {"Authorization": "Bearer wrong"},
    ],
)
def test_no_change_from_elsewhere_or_without_login(stack: Stack, headers: dict[str, str]) -> None:
    assert ask(stack, "POST", "/redrive", headers=headers).status_code in {401, 403}


def test_nothing_can_be_changed_where_there_is_no_token(stack: Stack) -> None:
    assert httpx.post(stack.url(OPEN, "/redrive"), timeout=30).status_code == 403


@pytest.mark.parametrize(
    "headers",
    [
        {"Authorization": b"Bearer \xff\xfe"},
        {"Authorization": "Bearer"},
        {"Authorization": f"Basic {TOKEN}"},
        {"Cookie": b"headgate_session=9999999999.\xff"},
        {"Cookie": "headgate_session=9999999999."},
        {"Cookie": f"headgate_session={TOKEN}"},
    ],
)
def test_what_is_no_token_and_no_session_is_refused(stack: Stack, headers: dict[str, str]) -> None:
    assert ask(stack, "GET", "/api/overview", headers=headers).status_code == 401


@pytest.mark.parametrize("path", ["/static/../api/overview", "/static/%2e%2e/api/overview", "//api/overview"])
def test_no_way_round_the_token(stack: Stack, path: str) -> None:
    with socket.create_connection(("127.0.0.1", stack.ports[GUARDED]), timeout=30) as connection:
        connection.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
        status = connection.makefile("rb").readline()
    assert status.split()[1] in {b"401", b"403", b"404"}


def test_pages_of_dead_letters_can_be_passed_on(browser: Browser, stack: Stack) -> None:
    for number in range(3):
        stack.dead_letter(b"bad %d" % number)
    here = stack.api("dead-letters")["here"]
    shown = [letter["offset"] for letter in stack.api(f"dead-letters?before={here}")["letters"]]
    stack.dead_letter(b"after")
    assert [letter["offset"] for letter in stack.api(f"dead-letters?before={here}")["letters"]] == shown
    context = browser.new_context(base_url=stack.url(OPEN), locale="en")
    page = context.new_page()
    page.goto(f"/dead-letters?before={here}")
    expect(page.locator("#live tbody tr")).to_have_count(len(shown))
    page.locator("#live tbody a").first.click()
    expect(page.locator("pre")).to_be_visible()
    page.get_by_role("link", name="← Dead letters").click()
    assert page.url.endswith(f"?before={here}")
    page.get_by_role("link", name="← The newest").click()
    expect(page.locator("#live tbody tr")).to_have_count(len(shown) + 1)
    assert stack.api("dead-letters?reason=nothing")["letters"] == []
    context.close()


def test_login_leads_nowhere_else(stack: Stack) -> None:
    for onward in ("//elsewhere.example/", "https://elsewhere.example/", "/\\elsewhere.example"):
        answer = ask(stack, "POST", "/login", data={"token": TOKEN, "next": onward})
        assert (answer.status_code, answer.headers["location"]) == (303, "/")


def test_headers_allow_nothing_from_elsewhere(stack: Stack) -> None:
    for path in ("/", "/nothing", "/static/view.css"):
        headers = httpx.get(stack.url(OPEN, path), timeout=30).headers
        assert "default-src 'none'" in headers["content-security-policy"]
        assert "unsafe" not in headers["content-security-policy"]
        assert headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize(
    "path", ["/table/", "/table/counters/", "/router/", "/router/counters/0/", "/graph", "/assignment/"]
)
def test_fausts_own_pages_are_off(stack: Stack, path: str) -> None:
    assert httpx.get(stack.url(OPEN, path), timeout=30).status_code == 404


def test_a_bind_beyond_the_loopback_needs_a_token(stack: Stack) -> None:
    env = {"WORKER_WEB_HOST": "0.0.0.0", "KAFKA_BOOTSTRAP_SERVERS": stack.kafka.bootstrap_servers, "PATH": ""}  # noqa: S104 -- that is the point
    command = [sys.executable, "-m", "cli", "worker", "metrics"]
    ended = subprocess.run(command, env=env, capture_output=True, text=True, timeout=170, check=False)
    assert ended.returncode == 3
    assert "WORKER_WEB_TOKEN" in ended.stderr
