"""The OpenAPI document holds: a generator of requests tries it, and each status code in it is brought about."""

import asyncio
import os
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from gateway.admission.issued_keys import create_key
from gateway.app import create_api
from gateway.problems.errors import DatabaseAwayError, KeyInFlightError
from gateway.read.reads import Reads
from gateway.settings import Settings
from tests.support.http_gateway import NEW, Served, served

POSTS: dict[str, Any] = {"/applications": NEW, "/applications/batch": [NEW]}
READS = ("/applications", "/applications/stream", "/applications/export")
STATUS = "/applications/{id}/status"

Ask = Callable[..., Awaitable[httpx.Response]]

HERE = Path(__file__).parent


async def test_whatever_fits_the_schema_is_answered_as_the_schema_says(http: Served, tmp_path: Path) -> None:
    process = await asyncio.create_subprocess_exec(
        *(str(Path(sys.executable).with_name("schemathesis")), "--config-file", str(HERE / "schemathesis.toml"), "run"),
        *(f"http://127.0.0.1:{http.port}/openapi.json", "--checks", "all", "--max-examples", "15", "--no-color"),
        *("--phases", "examples,coverage,fuzzing,stateful", "--generation-database", "none"),
        env=os.environ | {"SCHEMATHESIS_HOOKS": "tests.contract.hooks", "PYTHONPATH": str(HERE.parent.parent)},
        cwd=tmp_path,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    output, _ = await process.communicate()
    assert process.returncode == 0, output.decode()[-8_000:]


def documented() -> set[tuple[str, str, str]]:
    """Every call and status code of the document."""
    paths = create_api().openapi()["paths"]
    return {
        (method.upper(), path, status)
        for path, methods in paths.items()
        for method, call in methods.items()
        for status in call["responses"]
    }


async def test_every_status_code_of_the_document_is_brought_about(
    http_settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: set[tuple[str, str, str]] = set()
    document = create_api().openapi()

    def note(method: str, path: str, status: int, content_type: str | None) -> None:
        seen.add((method, path, str(status)))
        content = document["paths"][path][method.lower()]["responses"].get(str(status), {}).get("content", {})
        assert (content_type or "").partition(";")[0] in (content or {"": None}), (method, path, status)

    async def ask(http: Served, method: str, path: str, **more: Any) -> httpx.Response:
        answer = await http.client.send(http.client.build_request(method, more.pop("at", path), **more), stream=True)
        if answer.headers.get("content-type") != "text/event-stream":  # which does not end
            await answer.aread()
        await answer.aclose()
        note(method, path, answer.status_code, answer.headers.get("content-type"))
        return answer

    async with served(http_settings) as http:
        place = await _ordinary(http, ask)
        await _broken(http, ask, monkeypatch)
        await _hardly_http(http, note)
        http.front.running.begin_drain()
        await ask(http, "GET", "/readyz")
    async with served(http_settings.model_copy(update={"auth_required": True})) as http:
        _, key = await create_key(http.front.running.engine, "none", ["operations"])
        for headers in ({}, {"X-API-Key": key}):
            for path, body in POSTS.items():
                await ask(http, "POST", path, json=body, headers=headers)
            await _read(http, ask, place, headers=headers)
    async with served(http_settings.model_copy(update={"rate_limit_per_minute": 1})) as http:
        await http.client.get("/applications")
        for path, body in POSTS.items():
            await ask(http, "POST", path, json=body)
        await _read(http, ask, place)
    async with served(http_settings.model_copy(update={"body_seconds": 0.3})) as http:
        for path in POSTS:
            request = f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 9\r\n\r\n["
            status, headers, _ = await http.raw(request.encode())
            note("POST", path, status, headers["content-type"])
    assert documented() <= seen, sorted(documented() - seen)
    assert seen <= documented(), sorted(seen - documented())


async def _read(http: Served, ask: Ask, place: str, **more: Any) -> None:
    """Every way to read."""
    for path in READS:
        await ask(http, "GET", path, **more)
    await ask(http, "GET", "/applications/{id}", at=place, **more)
    await ask(http, "GET", STATUS, at=f"{place}/status", **more)


async def _ordinary(http: Served, ask: Ask) -> str:
    """What a client brings about by itself; the address of an application."""
    place = (await ask(http, "POST", "/applications", json=NEW)).headers["location"]
    one = "/applications/{id}"
    tag = (await ask(http, "GET", one, at=place)).headers["etag"]
    await ask(http, "GET", one, at=place, headers={"If-None-Match": tag})
    await ask(http, "GET", one, at="/applications/01994f3c-8a5e-7c1d-9b0a-3f6e2d1c4b5a")
    await ask(http, "GET", STATUS, at=f"{place}/status")
    await ask(http, "GET", STATUS, at="/applications/01994f3c-8a5e-7c1d-9b0a-3f6e2d1c4b5a/status")
    for path in (*READS, "/livez", "/readyz", "/healthz"):
        await ask(http, "GET", path)
    await ask(http, "GET", "/applications", params={"cursor": "x"})
    for path in READS:
        await ask(http, "GET", path, params={"created_from": "0"})
        await ask(http, "GET", path, at=f"{path}?" + "a=1&" * 60)
    for path, body in POSTS.items():
        await ask(http, "POST", path, json=body)
        await ask(http, "POST", path, content=b"[", headers={"Content-Type": "application/json"})
        await ask(http, "POST", path, content=b"x" * 9_000_000, headers={"Content-Type": "application/json"})
        await ask(http, "POST", path, content=b"x", headers={"Content-Type": "text/plain"})
        await ask(http, "POST", path, json={})
    return place


async def _hardly_http(http: Served, note: Callable[[str, str, int, str | None], None]) -> None:
    """What every call can be answered with before it is one."""
    for path, methods in create_api().openapi()["paths"].items():
        at = path.replace("{id}", "01994f3c-8a5e-7c1d-9b0a-3f6e2d1c4b5a")
        for method in map(str.upper, methods):
            refused = await http.client.put(at)
            note(method, path, refused.status_code, refused.headers["content-type"])
            assert method in refused.headers["allow"]
            for fields in ("Host: x\r\nHost: y", "Host: elsewhere.example", f"Host: x\r\nA: {'b' * 40_000}"):
                status, headers, _ = await http.raw(f"{method} {at} HTTP/1.1\r\n{fields}\r\n\r\n".encode())
                note(method, path, status, headers["content-type"])


async def _broken(http: Served, ask: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the parts behind the calls may raise: each is answered as what it is."""

    def raising(error: Exception) -> Any:
        def call(*_: object, **__: object) -> Any:
            raise error

        return call

    writer = http.front.running.writer
    for error in (KeyInFlightError(), DatabaseAwayError(), RuntimeError("on purpose")):
        with monkeypatch.context() as patch:
            for target, name in ((writer, "submit"), (Reads, "written"), (Reads, "one"), (Reads, "rows")):
                patch.setattr(target, name, raising(error))
            patch.setattr(writer, "submit_group", raising(error))
            await ask(http, "POST", "/applications", json=NEW)
            await ask(http, "POST", "/applications/batch", json=[NEW], params={"atomic": "true"})
            if isinstance(error, KeyInFlightError):
                continue
            patch.setattr(writer, "submit_all", raising(error))
            await ask(http, "POST", "/applications/batch", json=[NEW])
            for path in READS:
                await ask(http, "GET", path)
            await ask(http, "GET", "/applications/{id}", at="/applications/01994f3c-8a5e-7c1d-9b0a-3f6e2d1c4b5a")
            await ask(http, "GET", STATUS, at="/applications/01994f3c-8a5e-7c1d-9b0a-3f6e2d1c4b5a/status")
