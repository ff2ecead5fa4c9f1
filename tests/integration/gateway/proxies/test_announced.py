"""Whose connection and whose request it is, as trusted proxies say: PROXY protocol, Forwarded, X-Forwarded-*."""

import asyncio
import re
from collections.abc import AsyncIterator
from typing import Any

import pytest

from gateway.settings import Settings
from tests.support.http_gateway import Served, read_answer, served
from tests.unit.gateway.proxies.test_proxy_protocol import V4, message

_LIST = b"GET /applications HTTP/1.1\r\nHost: x\r\n%b\r\n"


def behind(settings: Settings, **more: Any) -> Settings:
    return settings.model_copy(update={"trusted_proxies": ("127.0.0.0/8",), "rate_limit_per_minute": 1, **more})


@pytest.fixture
async def announced(http_settings: Settings) -> AsyncIterator[Served]:
    """Trusts only who never comes, so that readiness can be asked; then the loopback as well."""
    settings = behind(http_settings, proxy_protocol=True, trusted_proxies=("192.0.2.0/24",))
    async with served(settings) as running:
        running.front.trusted.has = lambda address: address.startswith("127.")  # type: ignore[assignment]
        yield running


@pytest.mark.parametrize(
    "begun", [b"PROXY TCP4 192.0.2.7 127.0.0.1 4711 8000\r\n", message(0x21, 0x11, V4)], ids=["version 1", "version 2"]
)
async def test_the_announced_client_is_the_visitor(announced: Served, begun: bytes) -> None:
    assert (await announced.raw(begun + _LIST % b""))[0] == 200
    pieces = [(begun + _LIST % b"")[place : place + 1] for place in range(len(begun))]
    cut = await announced.raw(*pieces, (begun + _LIST % b"")[len(begun) :])
    assert cut[0] == 429
    other = b"PROXY TCP4 192.0.2.8 127.0.0.1 4711 8000\r\n"
    assert (await announced.raw(other + _LIST % b""))[0] == 200
    assert (await announced.raw(b"PROXY UNKNOWN\r\n" + _LIST % b""))[0] == 200  # the proxy itself


async def test_a_trusted_proxy_that_does_not_announce_is_refused(
    announced: Served, caplog: pytest.LogCaptureFixture
) -> None:
    assert (await announced.raw(_LIST % b""))[0] == 400
    assert "PROXY_PROTOCOL" in caplog.text


async def test_nobody_else_may_announce(http_settings: Settings) -> None:
    settings = behind(http_settings, proxy_protocol=True, trusted_proxies=("192.0.2.0/24",))
    async with served(settings) as http:
        assert (await http.raw(_LIST % b""))[0] == 200
        assert (await http.raw(b"PROXY TCP4 192.0.2.7 127.0.0.1 4711 8000\r\n" + _LIST % b""))[0] == 400


async def test_forwarded_names_the_visitor_where_it_is_the_one_believed(http_settings: Settings) -> None:
    async with served(behind(http_settings, forwarded_headers="forwarded")) as http:
        for field, status in (("for=192.0.2.1", 200), ("for=192.0.2.2;proto=https", 200), ("for=192.0.2.1", 429)):
            answer = await http.client.get("/applications", headers={"Forwarded": field, "X-Forwarded-For": "6.6.6.6"})
            assert answer.status_code == status


async def test_the_name_that_a_browser_knows_is_the_one_that_counts(http_settings: Settings) -> None:
    """The proxy calls the gateway by another name than the page's own: the form is still the page's own."""
    settings = behind(http_settings, rate_limit_per_minute=0, gateway_hosts=("a.example", "127.0.0.1"))
    async with served(settings) as http:
        key = re.findall(r'name="key" value="([^"]+)"', (await http.client.get("/")).text)[0]
        form = {"user_name": "Ann", "description": "text", "key": key}
        named = {"X-Forwarded-Host": "a.example", "Origin": "https://a.example"}
        assert (await http.client.post("/", data=form, headers=named)).status_code == 303
        assert (await http.client.post("/", data=form, headers={"Origin": "https://a.example"})).status_code == 403
        # A page of elsewhere whose name leads here can say so, but not change the name that its browser calls.
        strange = {"Host": "evil.example", "X-Forwarded-Host": "a.example"}
        assert (await http.client.get("/applications", headers=strange)).status_code == 421


async def test_an_idle_connection_stays_as_long_as_is_set(http_settings: Settings) -> None:
    async with served(http_settings.model_copy(update={"keep_alive_seconds": 1})) as http:
        reader, writer = await asyncio.open_connection("127.0.0.1", http.port)
        writer.write(_LIST % b"")
        assert (await read_answer(reader))[0] == 200
        async with asyncio.timeout(30):  # much less than it is by default
            assert await reader.read() == b""
        writer.close()
