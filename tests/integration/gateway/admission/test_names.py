"""By which name a gateway is called: a page of elsewhere cannot make a name of its own lead to an open one."""

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest

from gateway.settings import Settings
from tests.support.http_gateway import NEW, Served, count, read_answer, served

LOOPBACK = ("localhost", "localhost:8000", "LOCALHOST.", "127.0.0.1", "127.3.2.1:80", "[::1]", "[::1]:8000")
ELSEWHERE = (
    "evil.example",
    "evil.example:8000",
    "localhost.evil.example",
    "192.168.1.7",
    "",
    "x:y",
    "[::1",
    "::1",
    "\xff",
)


async def _statuses(http: Served, names: Sequence[str], target: str = "/applications") -> list[int]:
    found = []
    for name in names:
        request = f"GET {target} HTTP/1.1\r\nHost: {name}\r\nConnection: close\r\n\r\n"
        found.append((await http.raw(request.encode("latin-1")))[0])
    return found


def changed(settings: Settings, **more: Any) -> Settings:
    return settings.model_copy(update={"gateway_hosts": (), **more})


async def test_an_open_gateway_on_the_loopback_answers_the_loopbacks_names_alone(http_settings: Settings) -> None:
    async with served(changed(http_settings)) as http:
        assert await _statuses(http, LOOPBACK) == [200] * len(LOOPBACK)
        assert await _statuses(http, ELSEWHERE) == [421] * len(ELSEWHERE)
        for target in ("/", "/docs", "/metrics", "/nowhere"):
            assert await _statuses(http, ["evil.example"], target) == [421]
        assert await _statuses(http, ["10.2.3.4:8000"] * 1, "/livez") == [200]
        for target in ("/applications", "/applications/batch"):
            answer = await http.client.post(target, json=NEW, headers={"Host": "evil.example"})
            assert (answer.status_code, answer.json()["type"]) == (421, "/problems/misdirected")
        assert (await http.client.post("/", data=NEW, headers={"Host": "evil.example"})).status_code == 421
        assert await count(http.settings) == 0


@pytest.mark.parametrize("more", [{"auth_required": True}, {"gateway_host": "0.0.0.0"}], ids=str)  # noqa: S104
async def test_with_keys_or_elsewhere_any_name_will_do(http_settings: Settings, more: dict[str, Any]) -> None:
    async with served(changed(http_settings, **more)) as http:
        expected = 401 if "auth_required" in more else 200
        assert await _statuses(http, ["localhost", "gateway.example", "10.2.3.4:8000"]) == [expected] * 3


@pytest.mark.parametrize("more", [{}, {"auth_required": True}, {"gateway_host": "0.0.0.0"}], ids=str)  # noqa: S104
async def test_listed_names_are_all_that_there_are(http_settings: Settings, more: dict[str, Any]) -> None:
    async with served(changed(http_settings, gateway_hosts=("gateway.example", "::2"), **more)) as http:
        right, wrong = (
            ["gateway.example", "Gateway.Example.:443", "[::2]:8000"],
            ["localhost", "127.0.0.1", "x.example"],
        )
        assert 421 not in await _statuses(http, right)
        assert await _statuses(http, wrong) == [421] * 3


async def test_what_stands_before_the_path_counts_and_not_host(http_settings: Settings) -> None:
    request = b"GET http://%b/applications HTTP/1.1\r\nHost: %b\r\nConnection: close\r\n\r\n"
    async with served(changed(http_settings)) as http:
        assert (await http.raw(request % (b"localhost:80", b"evil.example")))[0] == 200
        assert (await http.raw(request % (b"evil.example", b"localhost")))[0] == 421


@pytest.mark.parametrize("target", [b"http://localhost", b"HTTP://localhost:8000", b"http://localhost?lang=ru"])
async def test_an_absolute_form_without_a_path_is_the_root(http: Served, target: bytes) -> None:
    status, headers, body = await http.raw(b"GET %b HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n" % target)
    assert (status, headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert (b'<html lang="ru"' in body) == (b"ru" in target)
    posted = b"POST %b HTTP/1.1\r\nHost: x\r\nUpgrade: x\r\nConnection: upgrade, close\r\nContent-Length: 0\r\n\r\n"
    assert (await http.raw(posted % target))[0] == 415


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("gateway.example, 10.0.0.5,[::2],::3", ("gateway.example", "10.0.0.5", "::2", "::3")),
        ("Gateway.Example.", ("gateway.example",)),
    ],
)
def test_names_are_read_from_a_list(monkeypatch: pytest.MonkeyPatch, text: str, names: tuple[str, ...]) -> None:
    monkeypatch.setenv("GATEWAY_HOSTS", text)
    assert Settings(_env_file=None).gateway_hosts == names


@pytest.mark.parametrize("text", ["http://gateway.example", "gateway.example:8000", "a b", "*/"])
def test_what_is_no_name_stops_the_start(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setenv("GATEWAY_HOSTS", text)
    with pytest.raises(ValueError, match="without scheme and port"):
        Settings(_env_file=None)


async def test_a_socket_for_both_families_serves_and_knows_both(http_settings: Settings) -> None:
    """IPv4 arrives there as ::ffff:127.0.0.1: it is the loopback's range that is trusted, and it is one visitor."""
    more = {"gateway_host": "::", "rate_limit_per_minute": 5, "trusted_proxies": ("127.0.0.0/8",)}
    async with served(http_settings.model_copy(update=more)) as http:
        assert await _left(http.port, "127.0.0.1", "203.0.113.1") == 4
        assert await _left(http.port, "127.0.0.1", "203.0.113.1") == 3
        assert await _left(http.port, "127.0.0.1", "::ffff:203.0.113.1") == 2
        assert await _left(http.port, "127.0.0.1", "203.0.113.2") == 4
        assert await _left(http.port, "127.0.0.1", "") == 4
        # IPv6 is no trusted range here: whatever it forwards for, it is one visitor.
        assert await _left(http.port, "::1", "203.0.113.1") == 4
        assert await _left(http.port, "::1", "203.0.113.9") == 3


async def _left(port: int, address: str, forwarded: str) -> int:
    reader, writer = await asyncio.open_connection(address, port)
    fields = f"X-Forwarded-For: {forwarded}\r\n" if forwarded else ""
    writer.write(f"GET /applications HTTP/1.1\r\nHost: gateway\r\n{fields}Connection: close\r\n\r\n".encode())
    async with asyncio.timeout(60):
        status, headers, _ = await read_answer(reader)
    writer.close()
    assert status == 200
    return int(headers["ratelimit"].split("r=")[1].split(";")[0])
