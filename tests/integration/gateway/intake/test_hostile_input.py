"""Bad input gets a 4xx problem, stores nothing and leaves the process well; both ways into POST agree."""

import json
from typing import Any

import pytest

from gateway.settings import Settings
from tests.support.heavy import HEAVY
from tests.support.hostile import ACCEPTED, HOSTILE_TARGETS, REFUSED, Case
from tests.support.http_gateway import Served, count, served

Answer = tuple[int, dict[str, str], bytes]


async def test_nothing_hostile_is_accepted_and_nothing_odd_refused(http: Served) -> None:
    for case in REFUSED:
        _assert_problem(case.name, await http.raw(case.request()), case.status)
    assert await count(http.settings) == 0
    for case in ACCEPTED:
        status, _, body = await http.raw(case.request())
        assert status == 201, (case.name, body)
    assert await count(http.settings) == len(ACCEPTED)
    assert (await http.client.get("/livez")).json() == {"status": "ok"}


async def test_the_batch_takes_nothing_hostile_either(http: Served) -> None:
    for case in REFUSED:
        if case.name in {"an array", "NDJSON"}:
            continue  # here these are what they should be
        status, headers, body = await http.raw(case.request("/applications/batch"))
        if status == 200:
            assert json.loads(body)["counts"]["created"] == 0, case.name
        else:
            _assert_problem(case.name, (status, headers, body), status)
            assert 400 <= status < 500, case.name
    for case in REFUSED:
        if (
            case.status in {400, 422}
            and case.headers == {"Content-Type": "application/json"}
            and len(case.body) < 5_000
            and b"\n" not in case.body
        ):
            line = Case(case.name, case.body, 200, {"Content-Type": "application/x-ndjson"})
            status, _, body = await http.raw(line.request("/applications/batch"))
            assert json.loads(body)["counts"]["created"] == 0, (case.name, body)
    assert await count(http.settings) == 0


async def test_hostile_addresses_get_a_clear_answer(http: Served) -> None:
    for target, status in HOSTILE_TARGETS:
        request = f"GET {target} HTTP/1.1\r\nHost: x\r\n\r\n".encode()
        answer = await http.raw(request)
        if status == 200:
            assert answer[0] == 200, (target, answer)
        else:
            _assert_problem(target, answer, status)


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (b"GARBAGE\r\n\r\n", 400),
        (b"GET / HTTP/9.9\r\nHost: x\r\n\r\n", 400),
        (b"POST /applications HTTP/1.1\r\nHost: x\r\nContent-Length: x\r\n\r\n", 400),
        (b"POST /applications HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n", 400),
        (b"POST /applications HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: x\r\nA\x00: b\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: x\r\nA: " + b"b" * 100_000 + b"\r\n\r\n", 431),
        (b"GET /" + b"a" * 100_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n", 431),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 400),
        (b"BREW /applications HTTP/1.1\r\nHost: x\r\n\r\n", 400),
        (b"DELETE /applications HTTP/1.1\r\nHost: x\r\n\r\n", 405),
        (b"TRACE /applications HTTP/1.1\r\nHost: x\r\n\r\n", 405),
        (b"OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n", 404),
        (b"PUT /applications/batch HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n", 405),
    ],
    ids=lambda value: repr(value[:40]) if isinstance(value, bytes) else str(value),
)
async def test_what_is_hardly_http_is_answered_too(http: Served, request_: bytes, status: int) -> None:
    _assert_problem(repr(request_[:40]), await http.raw(request_), status)
    assert (await http.client.get("/livez")).status_code == 200


async def test_fastapi_answers_post_as_the_front_does(http_settings: Settings) -> None:
    """The front exists for speed alone: whatever comes, both ways give the same answer."""
    async with served(http_settings) as front, served(http_settings, fast=False) as fastapi:
        for case in (*REFUSED, *ACCEPTED, *(Case(name, body, 0) for name, body in HEAVY.items())):
            request = case.request()
            one, other = await front.raw(request), await fastapi.raw(request)
            assert _comparable(one) == _comparable(other), case.name


def _comparable(answer: Answer) -> tuple[int, dict[str, str], Any]:
    """The answer without what differs between any two requests: ids, times and the request's own name."""
    status, headers, body = answer
    value = json.loads(body)
    for name in ("id", "created_at", "request_id"):
        value.pop(name, None)
    kept = {name: text for name, text in headers.items() if name not in {"date", "location", "link", "x-request-id"}}
    # The request id is of another length in each process; the order of the members and all else is the same.
    del kept["content-length"]
    return status, kept, list(value.items())


def _assert_problem(name: str, answer: Answer, status: int) -> None:
    found, headers, body = answer
    assert found == status, (name, found, body[:300])
    assert headers["content-type"] == "application/problem+json", name
    problem = json.loads(body)
    assert problem["status"] == status, name
    assert problem["type"].startswith("/problems/"), name
    assert problem["title"], name
    assert problem["detail"], name
    assert problem["request_id"], name
