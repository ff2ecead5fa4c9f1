"""What programs find: the index, problems as JSON, security.txt, absolute types, and all of it below /v1 too."""

from datetime import UTC, datetime

import pytest

from gateway import deprecation
from gateway.api import front
from gateway.deprecation import Deprecation
from gateway.problems.document import texts
from gateway.settings import Settings
from tests.support.http_gateway import NEW, Served, served

JSON = {"Accept": "application/json"}


@pytest.mark.parametrize("accept", ["application/json", "application/*;q=0.5", "text/html;q=0.1, application/json"])
async def test_the_root_tells_programs_where_everything_is(http: Served, accept: str) -> None:
    answer = await http.client.get("/", headers={"Accept": accept})
    assert answer.headers["content-type"] == "application/json"
    for place in answer.json()["links"].values():
        assert (await http.client.head(place)).status_code in {200, 405}, place
    assert answer.json()["api_versions"] == {"v1": "/v1"}


@pytest.mark.parametrize(
    "accept", ["", "*/*", "text/html,application/xhtml+xml,*/*;q=0.8", "application/json;q=0", "x;q"]
)
async def test_everyone_else_gets_the_pages(http: Served, accept: str) -> None:
    for path in ("/", "/problems", "/problems/", "/problems/invalid"):
        answer = await http.client.get(path, headers={"Accept": accept})
        assert answer.headers["content-type"] == "text/html; charset=utf-8", path


async def test_problems_are_there_as_json_in_both_languages(http: Served) -> None:
    for path in ("/problems", "/problems/"):
        listed = (await http.client.get(path, headers=JSON)).json()["problems"]
        assert {one["type"].rpartition("/")[2] for one in listed} == set(texts())
    one = await http.client.get("/problems/streams-full", headers=JSON | {"Accept-Language": "ru"})
    assert one.json()["title"] == texts()["streams-full"].title["ru"]
    assert one.json()["mend"]
    assert (await http.client.get("/problems/none", headers=JSON)).status_code == 404


async def test_a_public_address_makes_types_absolute_and_names_places(http_settings: Settings) -> None:
    changed = {"public_url": "https://apply.example", "security_contact": ("mailto:s@apply.example",)}
    async with served(http_settings.model_copy(update=changed)) as http:
        batch = (await http.client.post("/applications/batch", json=[{}])).json()
        assert batch["results"][0]["problem"]["type"] == "https://apply.example/problems/invalid"
        for path in ("/none", "/applications/none", "/applications?size=x", "/applications/stream?x=1"):
            wrong = (await http.client.get(path)).json()
            assert wrong["type"].startswith("https://apply.example/problems/"), path
        status, _, body = await http.raw(b"GARBAGE\r\n\r\n")
        assert (status, b"https://apply.example/problems/bad-request" in body) == (400, True)
        index = (await http.client.get("/", headers=JSON)).json()
        assert index["links"]["stream"] == "https://apply.example/applications/stream"
        security = await http.client.get("/.well-known/security.txt")
        assert security.headers["content-type"].startswith("text/plain")
        fields = dict(line.split(": ", 1) for line in security.text.splitlines())
        assert fields["Contact"] == "mailto:s@apply.example"
        assert fields["Canonical"] == "https://apply.example/.well-known/security.txt"
        assert datetime.fromisoformat(fields["Expires"]) > datetime.now(UTC)


async def test_without_a_contact_there_is_no_security_txt(http: Served) -> None:
    assert (await http.client.get("/.well-known/security.txt")).status_code == 404


async def test_a_program_that_asks_too_often_is_told(http_settings: Settings) -> None:
    async with served(http_settings.model_copy(update={"rate_limit_per_minute": 1})) as http:
        assert [(await http.client.get("/", headers=JSON)).status_code for _ in range(2)] == [200, 429]


@pytest.mark.parametrize("fast", [True, False])
async def test_below_v1_everything_is_as_it_is(http_settings: Settings, fast: bool) -> None:
    async with served(http_settings.model_copy(update={"auth_required": False}), fast=fast) as http:
        made = await http.client.post("/v1/applications", json=NEW)
        assert (made.status_code, made.headers["location"]) == (201, f"/applications/{made.json()['id']}")
        for path in (
            "/applications",
            f"/applications/{made.json()['id']}",
            "/livez",
            "/problems/invalid",
            "/openapi.json",
        ):
            same, versioned = [
                await http.client.get(before + path, headers={"X-Request-ID": "same"}) for before in ("", "/v1")
            ]
            assert (versioned.status_code, versioned.content) == (same.status_code, same.content), path
        for path in ("/v1x/applications", "/v1", "/v1/v1/applications", "/v2/applications"):
            assert (await http.client.get(path)).status_code == 404, path


async def test_what_is_below_v1_needs_the_same_key(http_settings: Settings) -> None:
    async with served(http_settings.model_copy(update={"auth_required": True})) as http:
        for path in ("/v1/applications", "/v1/applications/stream", "/v1/metrics"):
            assert (await http.client.get(path)).status_code == 401, path
        assert (await http.client.post("/v1/applications", json=NEW)).status_code == 401


async def test_a_call_that_will_go_says_so(http: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    one = Deprecation(datetime(2027, 1, 1, tzinfo=UTC), datetime(2027, 7, 1, tzinfo=UTC), "/docs")
    assert deprecation.DEPRECATED == {}
    monkeypatch.setattr(front, "DEPRECATED", {("GET", "/applications"): one})
    answer = await http.client.get("/applications")
    assert answer.headers["deprecation"] == "@1798761600"
    assert answer.headers["sunset"] == "Thu, 01 Jul 2027 00:00:00 GMT"
    assert '</docs>; rel="deprecation"' in answer.headers.get_list("link")
    assert "deprecation" not in (await http.client.post("/applications", json=NEW)).headers


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("public_url", "apply.example"),
        ("public_url", "https://apply.example/"),
        ("public_url", "ftp://apply.example"),
        ("security_contact", "someone"),
        ("security_contact", "mailto:x"),
        ("security_contact", "https://a b"),
    ],
)
def test_settings_that_cannot_be_are_refused(name: str, value: str) -> None:
    with pytest.raises(ValueError, match="must"):
        Settings(_env_file=None, **{name: value})  # type: ignore[arg-type]
