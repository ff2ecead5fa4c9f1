"""What goes with every answer: how long it may be kept, who may read it, which methods work, why a key was refused."""

import json
import re
from itertools import chain
from typing import Any

import pytest

from gateway.admission.api_keys import Scope
from gateway.admission.issued_keys import create_key
from gateway.app import create_api
from gateway.settings import Settings
from tests.support.http_gateway import NEW, Served, served

ORIGIN = "https://app.example"
NOBODY = "/applications/01994f3c-8a5e-7c1d-9b0a-3f6e2d1c4b5a"
ADDRESSES = [
    *(
        "/",
        "/applications",
        "/applications/batch",
        NOBODY,
        "/livez",
        "/readyz",
        "/healthz",
        "/metrics",
        "/openapi.json",
    ),
    *("/docs", "/redoc", "/asyncapi", "/asyncapi.json", "/favicon.ico", "/static/site.css", "/problems/", "/status"),
    "/problems/invalid",
]
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE")
WHO = f"Host: localhost\r\nX-Request-ID: mine\r\nAccept-Language: ru\r\nOrigin: {ORIGIN}\r\n"
# Each is answered before any application sees it.
BROKEN = {
    "no HTTP": ("GARBAGE\r\n\r\n", 400),
    "a long head": (f"GET / HTTP/1.1\r\n{WHO}A: {'b' * 40_000}", 431),
    "a bad length": (f"POST /applications HTTP/1.1\r\n{WHO}Content-Length: x\r\n\r\n", 400),
    "a bad address": (f"GET /\x01 HTTP/1.1\r\n{WHO}\r\n", 400),
}


@pytest.fixture
def open_to(http_settings: Settings) -> Settings:
    return http_settings.model_copy(update={"cors_origins": (ORIGIN,)})


async def test_allow_names_what_works_and_nothing_else(http: Served) -> None:
    for address in ADDRESSES:
        answers = {method: await http.client.request(method, address) for method in METHODS}
        works = {method for method, answer in answers.items() if answer.status_code != 405}
        assert works, address
        for answer in answers.values():
            if answer.status_code == 405:
                assert set(answer.headers["allow"].split(", ")) == works, address


async def test_everything_says_how_long_it_may_be_kept(http: Served) -> None:
    await http.client.post("/applications", json=NEW)
    for address in ADDRESSES:
        answer = await http.client.get(address)
        steady = address.startswith(("/static/", "/openapi", "/asyncapi.json", "/favicon"))
        expected = "public, max-age=300" if steady else "no-store"
        assert answer.headers["cache-control"] == expected, address
    assert (await http.client.get("/static/nothing")).headers["cache-control"] == "no-store"


async def test_a_cache_keeps_answers_to_different_origins_apart(open_to: Settings) -> None:
    async with served(open_to) as http, served(open_to, fast=False) as other:
        for one in (http, other):
            for origin in ({}, {"Origin": ORIGIN}, {"Origin": "https://evil.example"}):
                for answer in (
                    await one.client.get("/applications", headers=origin),
                    await one.client.post("/applications", json=NEW, headers=origin),
                    await one.client.post("/applications", json={}, headers=origin),
                ):
                    assert "Origin" in answer.headers["vary"]
                    assert answer.headers.get("access-control-allow-origin") == (
                        ORIGIN if origin.get("Origin") == ORIGIN else None
                    )


async def test_a_page_may_send_and_read_every_documented_header(open_to: Settings) -> None:
    calls = [call for path in create_api().openapi()["paths"].values() for call in path.values()]
    sent = {one["name"] for call in calls for one in call.get("parameters", ()) if one["in"] == "header"}
    read = set(
        chain.from_iterable(answer.get("headers", ()) for call in calls for answer in call["responses"].values())
    )
    async with served(open_to) as http:
        preflight = {"Origin": ORIGIN, "Access-Control-Request-Method": "GET"}
        allowed = (await http.client.options("/applications", headers=preflight)).headers[
            "access-control-allow-headers"
        ]
        shown = (await http.client.get("/livez", headers=preflight)).headers["access-control-expose-headers"]
    assert sent <= set(allowed.split(", "))
    assert read <= set(shown.split(", "))


@pytest.mark.parametrize("name", BROKEN)
async def test_what_is_no_request_yet_is_answered_like_one(open_to: Settings, name: str) -> None:
    request, expected = BROKEN[name]
    async with served(open_to) as http:
        status, headers, body = await http.raw(request.encode())
    problem = json.loads(body)
    assert (status, problem["status"]) == (expected, expected)
    assert problem["request_id"] == headers["x-request-id"]
    assert headers["date"].endswith("GMT")
    assert headers["vary"] == "Origin"
    assert headers["content-type"] == "application/problem+json"
    if name == "no HTTP":
        assert headers["content-language"] == "en"
        assert re.fullmatch(r"[0-9a-f]+-[0-9a-f]+", problem["request_id"])
    else:
        assert headers["content-language"] == "ru"
        assert headers["access-control-allow-origin"] == ORIGIN
        assert problem["request_id"] == "mine"


@pytest.mark.parametrize("cut", [1, 40, 4096])
async def test_a_name_in_an_address_need_not_be_encoded(http: Served, cut: int) -> None:
    await http.client.post("/applications", json=NEW | {"user_name": "Анна"})
    await http.client.post("/applications", json=NEW | {"user_name": "Bob"})
    request = "GET /applications?user_name=Анна HTTP/1.1\r\nHost: localhost\r\nAccept-Language: ru\r\n\r\n".encode()
    status, _, body = await http.raw(request[:cut], request[cut:], pause=0.05)
    if status == 200:
        assert [one["user_name"] for one in json.loads(body)["items"]] == ["Анна"]
    else:  # it came in pieces, so that the parser saw it first
        assert (status, json.loads(body)["type"], cut < 41) == (400, "/problems/address-not-encoded", True)
    assert cut < 41 or status == 200


@pytest.mark.parametrize("language", ["en", "ru"])
async def test_an_address_that_cannot_be_read_is_told_how_to_be_written(http: Served, language: str) -> None:
    request = f"GET /applications\x01 HTTP/1.1\r\nHost: localhost\r\nAccept-Language: {language}\r\n\r\n"
    status, headers, body = await http.raw(request.encode())
    problem = json.loads(body)
    assert (status, problem["type"], headers["content-language"]) == (400, "/problems/address-not-encoded", language)
    page = (await http.client.get(problem["type"], params={"lang": language})).text
    assert "user_name=%D0%90%D0%BD%D0%BD%D0%B0" in page


async def test_bytes_that_are_no_address_are_left_as_they_are(http: Served) -> None:
    text = json.dumps({"user_name": "GET /é HTTP/1.1", "description": "é" * 20}, ensure_ascii=False).encode()
    head = b"POST /applications HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    head += b"X-Name: \xd0\x90\r\nContent-Length: %d\r\n\r\n"
    for pieces in ((head % len(text) + text,), (head % len(text), text), (head % len(text), text[:15], text[15:])):
        status, _, body = await http.raw(*pieces, pause=0.05)
        assert (status, json.loads(body)["user_name"]) == (201, "GET /é HTTP/1.1")
    line = b"GET /\xd0\x90 HTTP/1.1\r\n\r\n"
    status, _, body = await http.raw(head % (len(text) + len(line)), line, text, pause=0.05)
    assert (status, json.loads(body)["type"]) == (400, "/problems/malformed-json")


def test_every_call_needs_a_scope_or_none() -> None:
    from gateway.admission import gate

    for path, methods in create_api().openapi()["paths"].items():
        for method in methods:
            assert path in gate.PROBES or gate._scope_of(method.upper(), path.replace("{id}", "x")), (method, path)


async def key_of(http: Served, scope: Scope) -> dict[str, str]:
    return {"X-API-Key": (await create_key(http.front.running.engine, "a test", [scope]))[1]}


async def test_a_key_hears_why_it_is_refused(http_settings: Settings) -> None:
    async with served(http_settings.model_copy(update={"auth_required": True})) as http:
        read, write = await key_of(http, "applications:read"), await key_of(http, "applications:write")
        for headers, challenge in (
            ({}, 'Bearer realm="headgate"'),
            ({"Authorization": "Basic YTpi"}, 'Bearer realm="headgate"'),
            ({"Authorization": "Bearer hg_x"}, 'Bearer realm="headgate", error="invalid_token"'),
            ({"X-API-Key": "hg_x"}, 'Bearer realm="headgate", error="invalid_token"'),
        ):
            answer = await http.client.get("/applications", headers=headers)
            assert (answer.status_code, answer.headers["www-authenticate"]) == (401, challenge)
        scope = 'Bearer realm="headgate", error="insufficient_scope", scope="applications:write"'
        refused = await http.client.post("/applications", json=NEW, headers=read)
        assert (refused.status_code, refused.headers["www-authenticate"]) == (403, scope)
        for method, address in (("DELETE", "/applications"), ("PUT", "/applications/batch"), ("POST", NOBODY)):
            for key in (read, write):
                assert (await http.client.request(method, address, headers=key)).status_code == 405
        assert (await http.client.get("/applications/batch", headers=write)).status_code == 405
        assert (await http.client.get(NOBODY, headers=write)).status_code == 403


async def test_an_invented_key_costs_one_unit(http_settings: Settings) -> None:
    settings = http_settings.model_copy(update={"auth_required": True, "rate_limit_per_minute": 10})
    async with served(settings) as http:
        left = []
        for number in range(3):
            answer = await http.client.get("/applications", headers={"X-API-Key": f"hg_{number}"})
            left.append(re.findall(r"r=(\d+)", answer.headers["ratelimit"])[0])
        assert left == ["9", "8", "7"]


async def test_with_keys_off_none_is_looked_up(http: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    looked: list[Any] = []
    monkeypatch.setattr("gateway.admission.api_keys._read", lambda *asked: looked.append(asked))
    answer = await http.client.get("/applications", headers={"Authorization": "Bearer hg_x"})
    assert (answer.status_code, looked) == (200, [])
