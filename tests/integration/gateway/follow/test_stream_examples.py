"""The clients in examples/stream, as they stand there: they come back by themselves, and miss nothing meanwhile."""

import asyncio
import http.server
import sys
import threading
from collections.abc import AsyncIterator, Iterator
from functools import partial
from pathlib import Path

import pytest
from playwright.async_api import async_playwright, expect

from gateway.settings import Settings
from tests.support.chromium import FLAGS, MISSING, SHELL
from tests.support.commands import ROOT
from tests.support.http_gateway import NEW, Served, served
from tests.support.write_path import eventually

EXAMPLES = ROOT / "examples/stream"


async def post(gateway: Served, description: str) -> str:
    answer = await gateway.client.post("/applications", json=NEW | {"description": description})
    return str(answer.json()["id"])


async def test_the_client_in_python_goes_on_where_it_was_killed(http: Served, tmp_path: Path) -> None:
    log, place = tmp_path / "log", tmp_path / "place"
    environment = {"GATEWAY": f"http://127.0.0.1:{http.port}", "PLACE": str(place), "no_proxy": "*"}

    async def start() -> asyncio.subprocess.Process:
        with log.open("ab") as file:
            return await asyncio.create_subprocess_exec(
                *(sys.executable, str(EXAMPLES / "follow.py")), env=environment, stdout=file
            )

    async def shown(ids: list[str]) -> bool:
        return [line.split()[0] for line in log.read_text().splitlines()] == ids

    async def written() -> bool:
        return await asyncio.to_thread(lambda: place.exists() and place.stat().st_size > 0)

    child = await start()
    try:
        await eventually(written, what="the place where it began")
        ids = [await post(http, "first")]
        await eventually(lambda: shown(ids), what="the first application")
        child.kill()
        await child.wait()
        ids += [await post(http, str(number)) for number in range(3)]
        child = await start()
        await eventually(lambda: shown(ids), what="those that came meanwhile, each once")
        http.front.running.followers.end()
        http.front.running.followers.ending = False
        ids.append(await post(http, "last"))
        await eventually(lambda: shown(ids), what="what came after an end")
    finally:
        child.kill()
        await child.wait()


@pytest.fixture
def site() -> Iterator[str]:
    """The folder of the page as a site of its own."""

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 -- its name there
            """Nobody reads it."""

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(EXAMPLES))) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.fixture
async def gateway(http_settings: Settings, site: str) -> AsyncIterator[Served]:
    async with served(http_settings.model_copy(update={"cors_origins": (site,)})) as running:
        yield running


@pytest.mark.skipif(SHELL is None, reason=MISSING)
async def test_the_page_comes_back_after_an_end_and_after_a_refusal(gateway: Served, site: str) -> None:
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=SHELL, args=list(FLAGS))
        page = await browser.new_page()
        await page.goto(f"{site}/index.html?gateway=http://127.0.0.1:{gateway.port}")
        await expect(page.get_by_role("status")).to_have_text("following", timeout=30_000)
        await post(gateway, "<b>first</b>")
        await expect(page.get_by_role("listitem")).to_contain_text(["<b>first</b>"], timeout=30_000)
        gateway.front.running.followers.end()
        await expect(page.get_by_role("status")).to_have_text("cut off, coming back …", timeout=30_000)
        await post(gateway, "meanwhile")
        gateway.front.running.followers.ending = False
        await expect(page.get_by_role("listitem")).to_contain_text(["meanwhile", "first"], timeout=30_000)
        await browser.close()
