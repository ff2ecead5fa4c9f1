"""A gateway behind nginx and HAProxy as docs/proxies.md shows them: addresses lead back, visitors are told apart."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import httpx
import pytest

from gateway.settings import Settings
from tests.support.front_proxies import OpenProxy, haproxy, needs_proxies, nginx
from tests.support.http_gateway import NEW, served

pytestmark = needs_proxies

ROOT = "/headgate"
# The proxies come from here: the loopback's usual address is a stranger's, so that readiness can be asked.
PROXY = "127.0.0.3"


def behind(settings: Settings, **more: Any) -> Settings:
    return settings.model_copy(update={"root_path": ROOT, "trusted_proxies": (f"{PROXY}/32",), **more})


async def visits(port: int, addresses: Sequence[str], **headers: str) -> list[int]:
    """What each is answered that comes from this address, one after the other."""
    statuses = []
    for address in addresses:
        transport = httpx.AsyncHTTPTransport(local_address=address)
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", transport=transport) as client:
            statuses.append((await client.get(f"{ROOT}/applications", headers=headers)).status_code)
    return statuses


BOTH = pytest.mark.parametrize(
    ("proxy", "leaving"),
    [
        (nginx, {"proxy_http_version 1.1;": f"proxy_http_version 1.1; proxy_bind {PROXY};"}),
        (haproxy, {"option httpchk": f"source {PROXY}\n    option httpchk"}),
    ],
    ids=["nginx", "HAProxy"],
)


@BOTH
async def test_addresses_lead_back_through_it(
    http_settings: Settings, tmp_path: Path, proxy: OpenProxy, leaving: dict[str, str]
) -> None:
    async with served(behind(http_settings)) as http, proxy(tmp_path, [http.port, http.port], leaving) as port:
        origin = f"http://127.0.0.1:{port}"
        async with httpx.AsyncClient(base_url=origin, trust_env=False, timeout=60) as client:
            created = await client.post(f"{ROOT}/applications", json=NEW)
            assert (await client.get(created.headers["location"])).content == created.content
            wrong = await client.post(f"{ROOT}/applications", json={})
            assert (await client.get(wrong.json()["type"])).status_code == 200
            page = (await client.get(f"{ROOT}/")).text
            key = re.findall(r'name="key" value="([^"]+)"', page)[0]
            sent = await client.post(f"{ROOT}/", data=NEW | {"key": key}, headers={"Origin": origin})
            assert sent.status_code == 303
            assert (await client.get(sent.headers["location"])).status_code == 200
            for link in re.findall(r'(?:href|src)="(/[^"]*)"', page):
                assert (await client.get(link)).status_code == 200


@BOTH
async def test_visitors_are_told_apart_whatever_they_say_of_themselves(
    http_settings: Settings, tmp_path: Path, proxy: OpenProxy, leaving: dict[str, str]
) -> None:
    settings = behind(http_settings, rate_limit_per_minute=2)
    async with served(settings) as http, proxy(tmp_path, [http.port, http.port], leaving) as port:
        invented = {"X-Forwarded-For": "192.0.2.1", "Forwarded": "for=192.0.2.1"}
        assert await visits(port, ["127.0.0.5"] * 3, **invented) == [200, 200, 429]
        assert await visits(port, ["127.0.0.6"] * 3, **invented) == [200, 200, 429]


async def test_haproxy_announces_its_clients(http_settings: Settings, tmp_path: Path) -> None:
    """PROXY protocol, version 2; its own checks of health are announced as such."""
    settings = behind(http_settings, rate_limit_per_minute=2, proxy_protocol=True)
    speaking = {
        "option forwardfor\n": "",
        "default-server check": f"source {PROXY}\n    default-server send-proxy-v2 check-send-proxy check",
    }
    async with served(settings) as http, haproxy(tmp_path, [http.port, http.port], speaking) as port:
        assert await visits(port, ["127.0.0.5"] * 3) == [200, 200, 429]
        assert await visits(port, ["127.0.0.6"] * 3) == [200, 200, 429]
