"""One request is one request, whatever stands around it; and a crowd does not look like a death."""

import asyncio
import json
import re
from contextlib import AsyncExitStack

import pytest

from gateway.admission.connections import connection
from gateway.admission.connections.connection import Connection
from gateway.admission.connections.crowd import PROBES_RESERVE
from gateway.api import front
from gateway.settings import Settings
from tests.support.http_gateway import NEW, Served, count, hold_submissions, read_answer, served
from tests.support.write_path import eventually

BODY = json.dumps(NEW).encode()
POST = b"POST /applications HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
WHOLE = POST + b"Content-Length: %d\r\n\r\n" % len(BODY) + BODY
LIVEZ = b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n"


async def answers(http: Served, *pieces: bytes, end: bool = False) -> list[tuple[int, dict[str, str], bytes]]:
    """All answers on one connection until the gateway closes it."""
    reader, writer = await asyncio.open_connection("127.0.0.1", http.port)
    found = []
    async with asyncio.timeout(60):
        for piece in pieces:
            writer.write(piece)
            await asyncio.sleep(0.05)
        if end:
            writer.write_eof()
        try:
            while True:
                found.append(await read_answer(reader))
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
    writer.close()
    return found


def statuses(found: list[tuple[int, dict[str, str], bytes]]) -> list[int]:
    return [status for status, _, _ in found]


async def test_probes_are_answered_when_no_request_fits(http_settings: Settings) -> None:
    async with served(http_settings) as http:
        http.front.settings = http_settings.model_copy(update={"requests_max": 1})
        http.front.active = 1
        assert (await http.client.get("/livez")).status_code == 200
        assert (await http.client.get("/readyz")).status_code == 200
        assert (await http.client.get("/healthz")).status_code == 200
        assert (await http.client.get("/applications")).status_code == 503
        http.front.active = 0


async def test_probes_have_a_reserve_of_connections(http_settings: Settings) -> None:
    # However busy the machine is, the four that say nothing are still there when the others come.
    patient = http_settings.model_copy(update={"connections_max": 4, "head_seconds": 120.0})
    async with AsyncExitStack() as stack, served(patient) as http:
        for _ in range(4):
            _, writer = await asyncio.open_connection("127.0.0.1", http.port)
            stack.callback(writer.close)
        [(status, headers, _)] = await answers(http, LIVEZ + LIVEZ)
        assert (status, headers["connection"]) == (200, "close")
        [(status, headers, _)] = await answers(http, WHOLE)
        assert (status, headers["connection"]) == (503, "close")
        assert int(headers["retry-after"]) >= 1
        assert await count(http.settings) == 0


async def _fill(http: Served, number: int, first: bytes) -> list[asyncio.StreamWriter]:
    """So many connections more, which have all sent this much when the gateway has taken them."""
    crowd = [(await asyncio.open_connection("127.0.0.1", http.port))[1] for _ in range(number)]
    for writer in crowd:
        writer.write(first)
    phase = "head" if first else "new"
    await eventually(lambda: _are(http, number, phase), what=f"{number} connections")
    return crowd


async def _are(http: Served, number: int, phase: str) -> bool:
    connections = (one for one in http.server.server_state.connections if isinstance(one, Connection))
    return sum(one._phase() == phase for one in connections) >= number


# The client that waited for the gateway has a connection, too.
_OTHERS = 4


async def test_the_reserve_is_bounded(http_settings: Settings) -> None:
    patient = http_settings.model_copy(update={"connections_max": 1 + _OTHERS, "head_seconds": 120.0})
    async with served(patient) as http:
        crowd = await _fill(http, _OTHERS, b"")
        crowd += await _fill(http, PROBES_RESERVE, b"GET /livez")
        reader, writer = await asyncio.open_connection("127.0.0.1", http.port)
        status, headers, _ = await read_answer(reader)
        assert status == 503
        assert int(headers["retry-after"]) >= 1
        for one in [*crowd, writer]:
            one.close()


async def test_who_says_nothing_keeps_no_probe_out(http_settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "_RESERVE_SECONDS", 120.0)
    patient = http_settings.model_copy(update={"connections_max": 1 + _OTHERS, "head_seconds": 120.0})
    async with served(patient) as http:
        crowd = await _fill(http, _OTHERS + PROBES_RESERVE, b"")
        for _ in range(3):
            assert statuses(await answers(http, LIVEZ)) == [200]
        crowd += [(await asyncio.open_connection("127.0.0.1", http.port))[1] for _ in range(40)]
        assert statuses(await answers(http, LIVEZ)) == [200]
        assert len(http.server.server_state.connections) <= 1 + _OTHERS + PROBES_RESERVE
        for one in crowd:
            one.close()


UPGRADES = {
    "websocket": b"Connection: Upgrade\r\nUpgrade: websocket\r\n",
    "as curl asks for HTTP/2": b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n",
    "split over two fields": b"Upgrade: a\r\nUpgrade: b\r\nConnection: keep-alive\r\nConnection: upgrade\r\n",
}


@pytest.mark.parametrize("fields", UPGRADES.values(), ids=UPGRADES)
async def test_an_upgrade_is_ignored_and_its_body_read(http: Served, fields: bytes) -> None:
    head = POST + fields + b"Content-Length: %d\r\n\r\n" % len(BODY)
    end = b"GET /livez HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    assert statuses(await answers(http, head + BODY + head + BODY + end)) == [201, 201, 200]
    assert statuses(await answers(http, head[:100], head[100:], BODY[:9], BODY[9:], end)) == [201, 200]
    chunked = POST + fields + b"Transfer-Encoding: chunked\r\n\r\n%x\r\n%b\r\n0\r\n\r\n" % (len(BODY), BODY)
    assert statuses(await answers(http, chunked + end)) == [201, 200]
    assert await count(http.settings) == 4


async def test_no_request_hides_in_the_body_of_an_upgrade(http: Served) -> None:
    hidden = b"DELETE /livez HTTP/1.1\r\nHost: x\r\nConnection: upgrade\r\nUpgrade: x\r\nContent-Length: %d\r\n\r\n"
    [(status, _, _)] = await answers(http, hidden % len(WHOLE) + WHOLE, end=True)
    assert status == 405
    assert await count(http.settings) == 0


async def test_a_head_with_upgrade_is_bounded_like_any(http: Served) -> None:
    long = b"GET /livez HTTP/1.1\r\nHost: x\r\nConnection: close, upgrade\r\nUpgrade: x\r\nX: %b\r\n\r\n"
    assert statuses(await answers(http, long % (b"x" * 30_000))) == [200]
    assert statuses(await answers(http, long % (b"x" * 40_000))) == [431]
    assert statuses(await answers(http, b"CONNECT x:1 HTTP/1.1\r\nHost: x\r\n\r\n" + LIVEZ)) == [400]


CHUNKED = b"Transfer-Encoding: chunked\r\n\r\n"


async def test_trailers_are_bounded(http: Served) -> None:
    for target in (b"GET /livez", b"POST /nowhere", b"POST /applications"):
        head = target + b" HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n" + CHUNKED
        for rest in (b"0\r\nX: " + b"x" * 3_000_000, b"0\r\n" + b"X: y\r\n" * 500_000, b"1;" + b"x" * 3_000_000):
            # It may be answered before the trailers come, or lose the answer as it goes on sending: it is ended.
            found = statuses(await answers(http, head + rest))
            assert found in ([431], [200], [404], []), (target, rest[:9], found)
    for rest in (b"0\r\nX: " + b"x" * 33_000, b"0\r\n" + b"X: y\r\n" * 5_500, b"1;" + b"x" * 33_000):
        assert statuses(await answers(http, POST + CHUNKED + rest)) == [431]
    in_pieces = POST + CHUNKED + b"".join(b"1;a=b\r\n%c\r\n" % byte for byte in BODY)
    assert statuses(await answers(http, in_pieces + b"0\r\nX: y\r\n\r\n" + LIVEZ, end=True)) == [201, 200]


async def test_a_trailer_is_no_header(http_settings: Settings) -> None:
    async with served(http_settings.model_copy(update={"trusted_proxies": ("127.0.0.0/8",)})) as http:
        body = b"%x\r\n%b\r\n0\r\nX-Request-ID: forged\r\nIdempotency-Key: k\r\n\r\n" % (len(BODY), BODY)
        both = await answers(http, (POST + CHUNKED + body) * 2, end=True)
        assert statuses(both) == [201, 201]
        assert all(headers["x-request-id"] != "forged" for _, headers, _ in both)
        assert all("idempotency-replayed" not in headers for _, headers, _ in both)


async def test_what_was_accepted_is_answered_before_what_is_wrong_behind_it(http: Served) -> None:
    assert statuses(await answers(http, WHOLE + b"GARBAGE\r\n\r\n")) == [201, 400]
    assert statuses(await answers(http, WHOLE + WHOLE + b"GET / HTTP/1.1\r\nA: " + b"b" * 100_000)) == [201, 201, 431]
    broken = POST + CHUNKED + b"zz\r\n"
    assert statuses(await answers(http, WHOLE + broken)) == [201, 400]
    assert statuses(await answers(http, WHOLE + WHOLE + broken + b"x" * 50_000)) == [201, 201, 400]
    assert await count(http.settings) == 6


async def test_who_closes_its_sending_side_is_answered(http: Served) -> None:
    assert statuses(await answers(http, WHOLE + WHOLE, end=True)) == [201, 201]
    assert statuses(await answers(http, WHOLE + b"GARBAGE\r\n\r\n", end=True)) == [201, 400]
    assert statuses(await answers(http, WHOLE + WHOLE[:-5], end=True)) == [201, 400]
    assert statuses(await answers(http, WHOLE[:-5], end=True)) == [400]
    assert await count(http.settings) == 4


async def test_after_an_answer_without_100_the_connection_ends(http: Served) -> None:
    expect = b"Expect: 100-continue\r\n"
    for head, status in (
        (POST + b"Content-Length: 99999999\r\n", 413),
        (POST.replace(b"json", b"xml") + b"Content-Length: 50\r\n", 415),
        (POST.replace(b"/applications", b"/nowhere") + b"Content-Length: 50\r\n", 404),
    ):
        [(found, headers, _)] = await answers(http, head + expect + b"\r\n", LIVEZ)
        assert (found, headers["connection"]) == (status, "close")
    head = POST + expect + b"Content-Length: %d\r\n\r\n" % len(BODY)
    assert statuses(await answers(http, head[:80], head[80:], BODY, LIVEZ, end=True)) == [100, 201, 200]
    assert statuses(await answers(http, head.replace(b"1.1", b"1.0"), BODY)) == [201]


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (b"GET /livez HTTP/1.1\r\n\r\n", 400),
        (b"GET /livez HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n", 400),
        (b"GET /livez HTTP/1.0\r\n\r\n", 200),
        (POST + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", 400),
        (POST + b"Transfer-Encoding: gzip\r\n\r\n", 400),
        (POST + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
        (POST + b"Transfer-Encoding: identity\r\n\r\n", 400),
        (POST.replace(b"1.1", b"1.0") + b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
        (b"GET http://elsewhere/livez HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", 200),
    ],
    ids=repr,
)
async def test_a_request_says_once_whom_it_is_for_and_where_it_ends(http: Served, request_: bytes, status: int) -> None:
    [(found, headers, _)] = await answers(http, request_, LIVEZ)
    assert (found, headers["connection"]) == (status, "close")


_VARIES = re.compile(
    rb'(date: |x-request-id: |location: |link: |"default";|"id":"|"created_at":"|"request_id":")(?!q=)[^\r"]+', re.ASCII
)

ASKED = (
    WHOLE,
    WHOLE + WHOLE.replace(b"Host: x", b"Host: x\r\nConnection: close"),
    WHOLE.replace(b"HTTP/1.1", b"HTTP/1.0"),
    WHOLE.replace(b"HTTP/1.1\r\n", b"HTTP/1.0\r\nConnection: keep-alive\r\n"),
    WHOLE.replace(b"Host: x", b"Host: x\r\nExpect: 100-continue"),
    WHOLE.replace(b"user_name", b"user_nome"),
    WHOLE.replace(b"Host: x", b"Host: x\r\nTransfer-Encoding: gzip"),
    LIVEZ.replace(b"/livez", b"/applications"),
    LIVEZ.replace(b"GET /livez", b"HEAD /applications"),
    LIVEZ.replace(b"/livez", b"/applications/01890a5d-ac96-774b-bcce-b302099a8057"),
    (
        b"OPTIONS /applications HTTP/1.1\r\nHost: x\r\nOrigin: https://shop.example\r\n"
        b"Access-Control-Request-Method: POST\r\n\r\n"
    ),
)


async def test_a_whole_answer_is_what_uvicorn_would_send(
    http_settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = http_settings.model_copy(
        update={"cors_origins": ("https://shop.example",), "rate_limit_per_minute": 9_000}
    )
    async with served(settings) as http:
        for asked in ASKED:
            whole = await _all_of(http, asked)
            with monkeypatch.context() as patch:
                patch.setattr(front, "answer_whole", lambda *_: False)
                assert _VARIES.sub(rb"\1", whole) == _VARIES.sub(rb"\1", await _all_of(http, asked)), asked


async def _all_of(http: Served, asked: bytes) -> bytes:
    """Every byte of the answers, after which the sending side is closed and so is the connection."""
    reader, writer = await asyncio.open_connection("127.0.0.1", http.port)
    # A name of its own, because those that are given grow longer, and answers with them.
    writer.write(asked.replace(b"Host: x", b"Host: x\r\nX-Request-Id: asked"))
    writer.write_eof()
    async with asyncio.timeout(60):
        found = await reader.read()
    writer.close()
    assert found.startswith(b"HTTP/1.1 ")
    return found


async def test_who_leaves_in_a_queue_costs_nothing(http: Served) -> None:
    _, writer = await asyncio.open_connection("127.0.0.1", http.port)
    writer.write(WHOLE + WHOLE[:-5])
    await writer.drain()
    writer.transport.abort()
    await eventually(lambda: _is_idle(http), what="nobody being answered")


async def _is_idle(http: Served) -> bool:
    return http.front.active == 0


async def test_what_comes_while_an_answer_is_awaited_is_answered_after_it(http: Served) -> None:
    held = hold_submissions(http)
    expect = POST + b"Expect: 100-continue\r\nContent-Length: %d\r\n\r\n" % len(BODY)
    asking = asyncio.create_task(answers(http, expect, BODY, LIVEZ, end=True))
    await eventually(lambda: _is_asked(http), what="the request to be read")
    await asyncio.sleep(0.5)
    held.set()
    assert statuses(await asking) == [100, 201, 200]


async def _is_asked(http: Served) -> bool:
    return http.front.active == 1
