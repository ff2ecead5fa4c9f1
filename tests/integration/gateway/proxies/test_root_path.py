"""Below a path, whether the proxy takes it off or not: every address in an answer leads back below it."""

import re
from collections.abc import AsyncIterator

import pytest

from gateway.settings import Settings
from tests.support.http_gateway import NEW, Served, served

ROOT = "/internal/headgate"


@pytest.fixture
async def below(http_settings: Settings) -> AsyncIterator[Served]:
    async with served(http_settings.model_copy(update={"root_path": ROOT})) as running:
        yield running


@pytest.mark.parametrize("sent", [ROOT, ""], ids=["left", "taken off"])
@pytest.mark.parametrize("fast", [True, False])
async def test_addresses_in_answers(http_settings: Settings, sent: str, fast: bool) -> None:
    settings = http_settings.model_copy(update={"root_path": ROOT})
    async with served(settings, fast=fast) as http:
        created = await http.client.post(f"{sent}/applications", json=NEW)
        assert created.status_code == 201
        place = created.headers["location"]
        assert place == f"{ROOT}/applications/{created.json()['id']}"
        assert (await http.client.get(place)).content == created.content
        page = await http.client.get(f"{sent}/applications?size=1")
        for address in re.findall("<([^>]+)>", page.headers["link"]):
            assert address.startswith(f"{ROOT}/applications?")
            assert (await http.client.get(address)).status_code == 200
        for wrong in (
            await http.client.post(f"{sent}/applications", json={}),
            await http.client.get(f"{sent}/nowhere"),
            await http.client.get(f"{sent}/applications?size=0"),
        ):
            kind = wrong.json()["type"]
            assert kind.startswith(f"{ROOT}/problems/")
            assert (await http.client.get(kind)).status_code == 200
        batch = await http.client.post(f"{sent}/applications/batch", json=[{}, NEW])
        refused, stored = batch.json()["results"]
        assert refused["problem"]["type"] == f"{ROOT}/problems/invalid"
        assert (await http.client.get(stored["location"])).status_code == 200
        index = await http.client.get(f"{sent}/", headers={"Accept": "application/json"})
        for link in index.json()["links"].values():
            assert link.startswith(f"{ROOT}/")
        assert {
            place for place in re.findall("<([^>]+)>", created.headers["link"]) if not place.startswith(ROOT)
        } == set()


async def test_every_link_of_a_page_stays_below(below: Served) -> None:
    for address in ("/", "/status", "/docs", "/redoc", "/asyncapi", "/problems/", "/problems/invalid"):
        page = await below.client.get(ROOT + address)
        assert page.status_code == 200
        links = set(re.findall(r'(?:href|src|action)="(/[^"]*)"', page.text))
        assert links, address
        for link in links:
            assert link.startswith(f"{ROOT}/"), address
            assert (await below.client.get(link)).status_code == 200, link


async def test_the_form_leads_back_below(below: Served) -> None:
    key = re.findall(r'name="key" value="([^"]+)"', (await below.client.get(f"{ROOT}/")).text)[0]
    sent = await below.client.post(f"{ROOT}/?lang=ru", data=NEW | {"key": key})
    assert sent.status_code == 303
    assert sent.headers["location"].startswith(f"{ROOT}/?accepted=")
    assert (await below.client.get(sent.headers["location"])).status_code == 200
    assert (await below.client.get(f"{ROOT}/favicon.ico")).headers["location"] == f"{ROOT}/static/favicon.svg"


async def test_the_documents_name_it(below: Served) -> None:
    document = (await below.client.get(f"{ROOT}/openapi.json")).json()
    assert [server["url"] for server in document["servers"]] == [ROOT]
    for script in ("docs.js", "redoc.js"):
        assert '"openapi.json"' in (await below.client.get(f"{ROOT}/static/{script}")).text
    allowed = await below.client.put(f"{ROOT}/static/site.css")
    assert (allowed.status_code, allowed.headers["allow"]) == (405, "GET, HEAD")


async def test_probes_and_metrics_need_not_know_it(below: Served) -> None:
    for address in ("/livez", "/readyz", "/healthz", "/metrics", f"{ROOT}/livez"):
        assert (await below.client.get(address)).status_code == 200
    assert 'route="/livez"' in (await below.client.get("/metrics")).text
