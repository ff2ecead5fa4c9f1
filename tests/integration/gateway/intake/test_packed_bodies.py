"""Bodies in gzip: what is in them is judged as if it had come plain, and no bomb goes off."""

import gzip
import json
import zlib
from collections.abc import AsyncIterator
from typing import Any

import pytest

from gateway.settings import Settings
from tests.support.http_gateway import NEW, Served, count, served

GZIP = {"Content-Type": "application/json", "Content-Encoding": "gzip"}
_ONE = json.dumps(NEW).encode()


async def post(http: Served, body: bytes, path: str = "/applications", **headers: str) -> tuple[int, dict[str, Any]]:
    # What is long comes in pieces, so that nobody is told beforehand how long.
    content = _in_pieces(body) if len(body) > 1024 * 1024 else body
    answer = await http.client.post(path, content=content, headers=GZIP | headers)
    return answer.status_code, answer.json()


async def _in_pieces(body: bytes) -> AsyncIterator[bytes]:
    for start in range(0, len(body), 65_536):
        yield body[start : start + 65_536]


@pytest.mark.parametrize("fast", [True, False])
async def test_what_is_in_it_is_what_was_sent(http_settings: Settings, fast: bool) -> None:
    async with served(http_settings, fast=fast) as http:
        for coding in ("gzip", "GZip", "x-gzip"):
            status, answer = await post(http, gzip.compress(_ONE), **{"Content-Encoding": coding})
            assert (status, answer["user_name"]) == (201, NEW["user_name"]), coding
        two_members = gzip.compress(_ONE[:10]) + gzip.compress(_ONE[10:])
        assert (await post(http, two_members))[0] == 201
        long = json.dumps(NEW | {"description": "\N{GRINNING FACE}" * 10_000}).encode()
        assert (await post(http, gzip.compress(long)))[0] == 201
        items = [NEW | {"description": f"{number} " * 2_000} for number in range(500)]
        status, answer = await post(http, gzip.compress(json.dumps(items).encode()), "/applications/batch")
        assert (status, answer["counts"]["created"]) == (200, 500)
        lines = gzip.compress(b"\n".join([_ONE] * 20))
        status, answer = await post(http, lines, "/applications/batch", **{"Content-Type": "application/x-ndjson"})
        assert (status, answer["counts"]["created"]) == (200, 20)
        assert http.front.bodies.held == 0


def _bomb(size: int) -> bytes:
    deflate = zlib.compressobj(9, zlib.DEFLATED, 31)
    return b"".join([deflate.compress(b" " * 2**20) for _ in range(size // 2**20)]) + deflate.flush()


def _nothing(size: int) -> bytes:
    """Empty blocks: bytes that unpack to none."""
    deflate = zlib.compressobj(9, zlib.DEFLATED, 31)
    head, block = deflate.flush(zlib.Z_FULL_FLUSH), deflate.flush(zlib.Z_FULL_FLUSH)
    empty = block or b"\x00\x00\x00\xff\xff"
    return head + empty * (size // len(empty))


_BOMB = _bomb(64 * 2**20)
WRONG = {
    "plain": (_ONE, 400),
    "nothing": (b"", 400),
    "half": (gzip.compress(_ONE)[:-12], 400),
    "another sum": (gzip.compress(_ONE)[:-8] + bytes(8), 400),
    "something after it": (gzip.compress(_ONE) + b"x", 400),
    "zlib's form": (zlib.compress(_ONE), 400),
    "packed twice": (gzip.compress(gzip.compress(_ONE)), 400),
    "nothing in it": (gzip.compress(b""), 400),
    "empty members without end": (gzip.compress(b"") * 20_000, 400),
    "nothing, and more of it than a body may have": (_nothing(1024 * 1024), 413),
    "a bomb": (_BOMB, 413),
    "a bomb in a bomb": (gzip.compress(_BOMB), 400),
    "too much by one": (gzip.compress(_ONE + b" " * (1024 * 1024 - len(_ONE) + 1)), 413),
}


@pytest.mark.parametrize("name", WRONG)
async def test_what_is_none_and_what_is_too_much_is_refused(http: Served, name: str) -> None:
    body, wanted = WRONG[name]
    status, answer = await post(http, body)
    assert status == wanted, answer
    assert answer["type"].startswith("/problems/")
    status, answer = await post(http, body, "/applications/batch")
    assert 400 <= status < 500 or (name == "too much by one" and status == 422), answer
    assert await count(http.settings) == 0
    assert http.front.bodies.held == 0


async def test_other_codings_are_named_and_refused(http: Served) -> None:
    for coding in ("br", "zstd", "deflate", "gzip, gzip", "gzip, br"):
        answer = await http.client.post("/applications", content=_ONE, headers=GZIP | {"Content-Encoding": coding})
        assert (answer.status_code, answer.headers["accept-encoding"]) == (415, "gzip"), coding


async def test_a_body_that_is_packed_is_charged_by_what_it_unpacks_to(http_settings: Settings) -> None:
    """64 KiB and more at once: it shares the budget of bodies, however few bytes it came in."""
    limits = {"bodies_max_bytes": 1024 * 1024, "body_max_bytes": 1024 * 1024, "batch_body_max_bytes": 1024 * 1024}
    async with served(http_settings.model_copy(update=limits)) as http:
        http.front.bodies.held = 1024 * 1024 - 100_000  # what others hold
        status, answer = await post(http, gzip.compress(b'[{"a":"' + b"b" * 200_000 + b'"}]'), "/applications/batch")
        assert (status, answer["type"]) == (503, "/problems/overloaded")
