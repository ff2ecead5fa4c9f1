"""Who may open the view, by which name, and how often a wrong token is looked at: on real sockets, without Kafka."""

import logging
import re
from collections.abc import AsyncIterator, Mapping
from functools import partial
from types import SimpleNamespace
from typing import Any, cast

import pytest
from aiohttp import ClientSession, web
from aiohttp.test_utils import TestClient, TestServer, make_mocked_request
from pydantic import SecretStr, ValidationError

from contracts import Topics
from runtime.kafka.clients import Kafka
from stream_workers.settings import Settings
from stream_workers.web.facts.facts import Facts
from stream_workers.web.facts.names import in_full
from stream_workers.web.serving import guesses
from stream_workers.web.serving.access import Access
from stream_workers.web.serving.assets import STATIC, asset
from stream_workers.web.serving.events import OPEN_STREAMS_MAX
from stream_workers.web.serving.forms import Forms
from stream_workers.web.serving.guesses import AT_ONCE, Guesses
from stream_workers.web.serving.pages import PATHS
from stream_workers.web.serving.protection import add_headers, guarded
from stream_workers.web.serving.site import Site

TOKEN = "open-sesame-0123456789"
Client = TestClient[web.Request, web.Application]


def site_of(settings: Settings) -> Site:
    async def look() -> None:
        return None

    async def of(_page: str, _look: object, query: Mapping[str, str], _reader: object) -> dict[str, Any]:
        return {"page": "x", "names": in_full(query)}

    facts = SimpleNamespace(board=SimpleNamespace(look=look), of=of)
    return Site(cast("Facts", facts), Access.of(settings), PATHS, settings.worker_web_root_path)


async def serve(settings: Settings) -> Client:
    """The middleware, the forms, the static files and one page's JSON, as a worker mounts them."""
    site = site_of(settings)
    forms = Forms(site, kafka=Kafka(""), topics=Topics())
    app = web.Application(middlewares=[guarded(site.access, site.error)])
    app.on_response_prepare.append(partial(add_headers, site.root))

    async def live(_request: web.Request) -> web.Response:
        return web.Response(text="alive")

    async def overview(request: web.Request) -> web.StreamResponse:
        return await site.json("overview", request)

    app.router.add_static("/static", str(STATIC))
    app.router.add_get("/livez", live)
    app.router.add_get("/api/overview", overview)
    app.router.add_get("/login", forms.show_login)
    app.router.add_post("/login", forms.login)
    app.router.add_post("/preferences", forms.set_preferences)
    client: Client = TestClient(TestServer(app))
    await client.start_server()
    return client


@pytest.fixture
async def bare(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Client]:
    """A view without a token."""
    monkeypatch.delenv("WORKER_WEB_TOKEN", raising=False)
    client = await serve(Settings(_env_file=None))
    yield client
    await client.close()


@pytest.fixture
async def guarded_view() -> AsyncIterator[Client]:
    """A view with one."""
    client = await serve(Settings(worker_web_token=SecretStr(TOKEN), _env_file=None))
    yield client
    await client.close()


async def status(client: Client, path: str = "/api/overview", **headers: str) -> int:
    async with client.get(path, headers=headers) as answer:
        return answer.status


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:6066", "127.0.0.1:6066", "127.9.9.9", "[::1]:6066"])
async def test_without_a_token_the_loopbacks_names_are_known(bare: Client, host: str) -> None:
    assert await status(bare, Host=host) == 200


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "evil.example:6066",
        "127.0.0.1.evil.example",
        "localhost.evil.example",
        "10.0.0.1",
        "[::1",
        "",
        "evil.example@127.0.0.1",
        "localhost/evil.example",
        "localhost?evil.example",
        "localhost#evil.example",
        "127.0.0.1:80:80",
        "[::1%25evil.example]",
    ],
)
async def test_without_a_token_no_other_name_is(bare: Client, host: str) -> None:
    assert await status(bare, Host=host) == 421
    assert await status(bare, "/static/view.css", Host=host) == 421
    assert await status(bare, "/livez", Host=host) == 200


async def test_a_list_of_names_is_all_that_there_is() -> None:
    for token in (None, SecretStr(TOKEN)):
        client = await serve(Settings(worker_web_token=token, worker_web_hosts="view.example, [::2]", _env_file=None))
        allowed = 401 if token else 200
        assert await status(client, Host="View.Example:8080") == allowed
        assert await status(client, Host="[::2]:8080") == allowed
        assert await status(client, Host="other.example") == 421
        await client.close()


async def test_a_token_is_a_guard_under_any_name(guarded_view: Client) -> None:
    assert await status(guarded_view, Host="view.example", Authorization=f"Bearer {TOKEN}") == 200


@pytest.mark.parametrize("token", ["x", "fifteen-letters"])
def test_a_short_token_is_refused_by_name(token: str) -> None:
    with pytest.raises(ValidationError, match="worker_web_token"):
        Settings(worker_web_token=SecretStr(token), _env_file=None)


async def test_guesses_are_few_and_a_session_is_none(guarded_view: Client) -> None:
    """The right one among many at once is not looked at; whoever has a session notices nothing."""
    async with guarded_view.post("/login", data={"token": TOKEN}, allow_redirects=False) as answer:
        assert answer.status == 303
        cookies = {name: morsel.value for name, morsel in answer.cookies.items()}
    async with ClientSession() as stranger:
        url = guarded_view.make_url("/api/overview")
        seen = []
        for number in range(AT_ONCE * 3):
            async with stranger.get(url, headers={"Authorization": f"Bearer guess-{number}"}) as answer:
                seen.append(answer.status)
        async with stranger.get(url, headers={"Authorization": f"Bearer {TOKEN}"}) as answer:
            assert answer.status == 429
            assert answer.headers["Retry-After"] == "1"
        async with stranger.post(guarded_view.make_url("/login"), data={"token": TOKEN}) as answer:
            assert answer.status == 429
        async with stranger.get(url, cookies=cookies) as answer:
            assert answer.status == 200
    assert seen[: AT_ONCE - 1] == [401] * (AT_ONCE - 1)
    assert set(seen[AT_ONCE:]) == {429}


def test_one_wrong_token_is_one_guess_however_often_a_request_is_judged() -> None:
    """A page asks who looks, whether names may be seen, and by what whoever asks is known."""
    access = Access(TOKEN)
    request = make_mocked_request("GET", "/", headers={"Authorization": "Bearer nothing-that-is-right"})
    for _ in range(AT_ONCE * 2):
        assert not access.may_look(request)
        assert access.known_by(request) == "session"
    assert not access.too_many(request)


def test_wrong_tokens_are_forgotten_one_a_second_and_address_by_address() -> None:
    now = [1000.0]
    counted = Guesses(clock=lambda: now[0])
    for _ in range(AT_ONCE):
        assert not counted.too_many("2001:db8::1")
        counted.wrong("2001:db8::1")
    assert counted.too_many("2001:db8::2")
    assert not counted.too_many("2001:db8:1::1")
    assert not counted.too_many("127.0.0.1")
    now[0] += 1.0
    assert not counted.too_many("2001:db8::1")
    counted.wrong("2001:db8::1")
    assert counted.too_many("2001:db8::1")


def test_what_is_kept_of_guesses_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guesses, "ADDRESSES_MAX", 3)
    counted = Guesses()
    for number in range(20):
        counted.wrong(f"10.0.0.{number}")
    assert len(counted._until) == 3


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("multipart/form-data", b"token=x"),
        ("multipart/form-data; boundary=", b"x"),
        ("multipart/form-data; boundary=b", b"--b\r\nbroken"),
        ("multipart/form-data; boundary=b", b"--b\r\n\r\nno name\r\n--b--\r\n"),
        ("multipart/form-data; boundary=" + "b" * 200, b"--b--"),
        ("application/x-www-form-urlencoded; charset=nothing", b"token=%ff"),
        ("application/x-www-form-urlencoded", b"token=\xff\xfe"),
        ("multipart/mixed; boundary=b", b"--b\r\nContent-Type: multipart/mixed\r\n\r\nx\r\n--b--\r\n"),
    ],
)
@pytest.mark.parametrize("path", ["/login", "/preferences"])
async def test_what_is_no_form_is_the_senders_fault(guarded_view: Client, path: str, kind: str, body: bytes) -> None:
    headers = {"Content-Type": kind}
    async with guarded_view.post(path, data=body, headers=headers, allow_redirects=False) as answer:
        assert answer.status < 500


@pytest.mark.parametrize("coding", ["gzip", "deflate", "br"])
async def test_a_form_that_cannot_be_unpacked_is_the_senders_fault(guarded_view: Client, coding: str) -> None:
    headers = {"Content-Type": "application/x-www-form-urlencoded", "Content-Encoding": coding}
    async with guarded_view.post("/login", data=b"\x1f\x8b junk", headers=headers, allow_redirects=False) as answer:
        assert 400 <= answer.status < 500


async def test_only_a_files_own_address_lasts(bare: Client) -> None:
    async def cached(path: str, **headers: str) -> str:
        async with bare.get(path, headers=headers) as answer:
            return answer.headers["Cache-Control"]

    assert "immutable" in await cached(asset("view.css"))
    assert "immutable" in await cached(asset("view.css"), Range="bytes=0-9")
    assert "immutable" not in await cached(asset("view.css"), Range="bytes=9999999-"), "an error is not the file"
    assert "immutable" not in await cached("/static/view.css?v=1")
    assert "immutable" not in await cached(asset("view.css") + "&v=1")
    assert "immutable" not in await cached("/static/nothing.css?v=1")
    assert "immutable" not in await cached(asset("view.css").replace("view.css", "view.js"))


def test_streams_that_are_open_to_all_take_no_place_of_the_others() -> None:
    site = site_of(Settings(worker_web_token=SecretStr(TOKEN), _env_file=None))
    site.open_streams.open = OPEN_STREAMS_MAX
    assert site.open_streams.full
    assert not site.streams.full


async def test_below_a_path_every_address_leads_back_below_it() -> None:
    """As behind a proxy that takes the path off."""
    root = "/headgate/view"
    client = await serve(Settings(worker_web_token=SecretStr(TOKEN), worker_web_root_path=root, _env_file=None))
    try:
        asked = {"Accept": "text/html"}
        login = await client.get("/api/overview?a=b", headers=asked, allow_redirects=False)
        assert login.headers["Location"] == f"{root}/login?next=/api/overview%3Fa%3Db"
        page = await (await client.get("/login?next=/live")).text()
        addresses = re.findall(r'(?:href|src|action|sse-connect)="(/[^"]*)"', page)
        assert addresses
        assert [address for address in addresses if not address.startswith(f"{root}/")] == []
        assert 'value="/live"' in page
        sent = {"token": TOKEN, "next": "/live"}
        signed_in = await client.post("/login", data=sent, allow_redirects=False)
        assert (signed_in.status, signed_in.headers["Location"]) == (303, f"{root}/live")
    finally:
        await client.close()


async def test_each_look_at_names_in_full_is_logged(guarded_view: Client, caplog: pytest.LogCaptureFixture) -> None:
    """By whom, but not what was looked for: an address may hold a name."""
    bearer = {"Authorization": f"Bearer {TOKEN}"}
    caplog.set_level(logging.INFO)
    async with guarded_view.get("/api/overview", headers=bearer) as masked:
        assert not (await masked.json())["names"]
    assert "in full" not in caplog.text
    async with guarded_view.get("/api/overview?names=full&q=ada", headers=bearer) as full:
        assert (await full.json())["names"]
    assert await status(guarded_view, "/api/overview?names=full") == 401
    (seen,) = [record.__dict__ for record in caplog.records if "in full" in record.message]
    assert (seen["page"], seen["path"], seen["by"]) == ("overview", "/api/overview", "token")
    assert seen["reader"] == "127.0.0.1"
    assert "ada" not in str(seen)


@pytest.mark.parametrize("shown", [True, False])
async def test_where_nobody_can_be_known_names_stay_masked(shown: bool, caplog: pytest.LogCaptureFixture) -> None:
    """Without a token, whoever is on this machine may see them, and nobody where others reach it."""
    caplog.set_level(logging.INFO)
    client = await serve(Settings(worker_web_open=not shown, worker_web_token=None, _env_file=None))
    async with client.get("/api/overview?names=full") as answer:
        assert (await answer.json())["names"] is shown
    assert [record.__dict__["by"] for record in caplog.records if "in full" in record.message] == ["loopback"] * shown
    await client.close()
