"""Streams and exports: in the order of ids, nothing skipped and nothing twice, bounded, and ended in good order."""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID

import httpx
import pytest

from gateway.admission import api_keys
from gateway.admission.issued_keys import create_key, revoke_key
from gateway.commit.statements import COMMIT
from gateway.follow import flows, followers
from gateway.problems.errors import DatabaseAwayError
from gateway.settings import Settings
from tests.integration.gateway.read.test_reading import fill
from tests.support.following import BEGINNING, caught_up, difference, events, followed
from tests.support.http_gateway import NEW, Served, served
from tests.support.write_path import eventually

STREAM, EXPORT = "/applications/stream", "/applications/export"
WRONG = (
    *("after=x", "after=", f"after={{{BEGINNING}}}", f"after=urn:uuid:{BEGINNING}", "after=%00", "x=1", "page=1"),
    *("created_from=1", "created_from=2026-01-01T00:00:00", "user_name=", "user_name=%00", "user_name=a&user_name=a"),
)


@asynccontextmanager
async def stream(
    http: Served, *, headers: Mapping[str, str] | None = None, **params: str
) -> AsyncIterator[AsyncIterator[Mapping[str, str]]]:
    """The events of a stream, its place first."""
    async with http.client.stream("GET", STREAM, params=params, headers=dict(headers or {})) as answer:
        assert answer.headers["content-type"] == "text/event-stream"
        yield events(answer)


async def applications(found: AsyncIterator[Mapping[str, str]], count: int) -> list[str]:
    """The ids of the next applications; each event's own id is the application's."""
    ids: list[str] = []
    async with asyncio.timeout(60):
        async for event in found:
            if "data" in event:
                ids.append(json.loads(event["data"])["id"])
                assert event["id"] == ids[-1]
            if len(ids) == count:
                break
    return ids


async def post(http: Served, **changed: str) -> str:
    return str((await http.client.post("/applications", json=NEW | changed)).json()["id"])


def hold_commits(http: Served) -> asyncio.Event:
    """From now on a commit waits for this event before it is sent."""
    held, session = asyncio.Event(), http.front.running.writer._commits._session
    execute = session.execute

    async def later(statement: Any, values: Any) -> Any:
        if statement is COMMIT:
            await held.wait()
        return await execute(statement, values)

    session.execute = later  # type: ignore[method-assign]
    return held


async def test_what_is_younger_than_an_open_commit_waits_for_it(http_settings: Settings) -> None:
    async with served(http_settings) as one, served(http_settings) as other, stream(other) as found:
        await anext(found)
        first = await post(other)
        assert await applications(found, 1) == [first]
        held = hold_commits(one)
        slow = asyncio.create_task(one.client.post("/applications", json=NEW))
        await eventually(_under_way(one), what="a commit under way")
        later = await post(other)
        lease = one.front.running.keeper.lease
        assert lease is not None
        beats = other.front.running.keeper.leases[lease].heartbeat + 3

        async def seen_alive() -> bool:
            return bool(other.front.running.keeper.leases[lease].heartbeat >= beats)

        waiting = asyncio.create_task(applications(found, 2))
        await eventually(seen_alive, what="three heartbeats of the gateway that commits")
        assert not waiting.done()
        held.set()
        await slow
        ids = await waiting
        assert ids[1] == later
        assert ids[0] < later


def _under_way(http: Served) -> Any:
    async def holds() -> bool:
        return bool(http.front.running.writer._under_way)

    return holds


async def test_a_stream_begins_with_what_comes_and_goes_on_where_it_was_left(http: Served) -> None:
    before = await post(http)
    async with stream(http) as found:
        began = (await anext(found))["id"]
        ids = [await post(http) for _ in range(3)]
        assert await applications(found, 3) == ids
    async with stream(http, headers={"Last-Event-ID": ids[0]}) as found:
        assert await applications(found, 2) == ids[1:]
    async with stream(http, headers={"Last-Event-ID": began}) as found:
        assert await applications(found, 3) == ids
    async with stream(http, after=BEGINNING) as found:
        assert await applications(found, 4) == [before, *ids]
    async with stream(http, after=ids[1]) as found:
        assert await applications(found, 1) == ids[2:]


async def test_a_stream_of_one_user_shows_that_user(http: Served) -> None:
    async with stream(http, user_name="Bob") as found:
        await anext(found)
        await post(http)
        bobs = await post(http, user_name="Bob")
        assert await applications(found, 1) == [bobs]


async def test_silence_has_heartbeats_that_move_the_place(http: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(flows, "HEARTBEAT_SECONDS", 0.2)
    async with stream(http) as found, asyncio.timeout(60):
        places = [(await anext(found))["id"]]
        while places[-1] == places[0]:
            places.append((await anext(found))["id"])
    assert places == sorted(places)


async def test_as_many_as_are_allowed_and_a_place_is_free_again(http_settings: Settings) -> None:
    async with served(http_settings.model_copy(update={"streams_max": 1})) as http:
        async with stream(http) as found:
            await anext(found)
            refused = await http.client.get(EXPORT)
            assert (refused.status_code, refused.json()["type"]) == (503, "/problems/streams-full")
            assert refused.headers["retry-after"] == "1"

        async def free() -> bool:
            return http.front.running.followers.open == 0

        await eventually(free, what="the place of a client that has gone")
        assert (await http.client.get(EXPORT)).status_code == 200
        assert not http.front.running.keeper.followed


async def test_head_and_what_is_wrong_take_no_place(http: Served) -> None:
    for path in (STREAM, EXPORT):
        async with asyncio.timeout(30):
            assert (await http.client.head(path)).status_code == 200
        for query in WRONG:
            assert (await http.client.get(f"{path}?{query}")).status_code == 422, query
        assert (await http.client.post(path)).status_code == 405
    backwards = {"created_from": "2027-01-01T00:00:00Z", "created_to": "2026-01-01T00:00:00Z"}
    assert (await http.client.get(EXPORT, params=backwards)).status_code == 422
    refused = await http.client.get(STREAM, headers={"Last-Event-ID": "{x}"})
    assert refused.json()["errors"] == [{"header": "Last-Event-ID", "code": "uuid_parsing", "detail": "must be a UUID"}]
    assert http.front.running.followers.open == 0


async def test_a_database_that_is_away_is_told_before_it_begins(http: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    async def away(*_: object, **__: object) -> Any:
        raise DatabaseAwayError("away", retry_after=2)

    async with stream(http, after=BEGINNING) as found:
        await anext(found)
        with monkeypatch.context() as patch:
            patch.setattr(http.front.running.reads, "rows", away)
            for path in (f"{STREAM}?after={BEGINNING}", STREAM, EXPORT):
                assert (await http.client.get(path)).status_code == 503
        # Whoever followed before goes on after it.
        id_ = await post(http)
        assert await applications(found, 1) == [id_]


async def test_an_export_is_all_there_is_and_names_the_next(http: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(followers, "_MANY", 4)
    await fill(http.settings.database_url.get_secret_value(), 21)
    answer = await http.client.get(EXPORT)
    assert answer.headers["content-type"] == "application/x-ndjson"
    shown = [json.loads(line) for line in answer.text.splitlines()]
    listed = (await http.client.get("/applications", params={"size": "100", "order_by": "created_at"})).json()["items"]
    assert shown == listed
    assert len(shown) == 21
    more = await post(http)
    following = answer.links["next"]["url"]

    async def arrived() -> bool:
        return [json.loads(line)["id"] for line in (await http.client.get(following)).text.splitlines()] == [more]

    await eventually(arrived, what="the next application in the next export")
    rest = await http.client.get(EXPORT, params={"after": shown[10]["id"], "created_to": shown[15]["created_at"]})
    assert [json.loads(line)["id"] for line in rest.text.splitlines()] == [one["id"] for one in shown[11:15]]


async def test_large_applications_are_read_and_held_in_small_pieces(http: Served) -> None:
    sent = [await post(http, description="\N{GRINNING FACE}" * 9_990 + str(number)) for number in range(20)]
    running = http.front.running
    await eventually(lambda: _closed_over(http, sent[-1]), what="all of it decided")
    piece = await running.followers.read({}, UUID(BEGINNING))
    assert sum(map(len, piece.values)) < 2 * followers._PIECE_BYTES
    assert not piece.whole
    assert [json.loads(line)["id"] for line in (await http.client.get(EXPORT)).text.splitlines()] == sent


async def _closed_over(http: Served, id_: str) -> bool:
    piece = await http.front.running.followers.read({}, UUID(int=2**128 - 1))
    return piece.until is not None and str(piece.until) > id_


async def test_a_stop_ends_streams_in_good_order_and_cuts_exports(http_settings: Settings) -> None:
    async with served(http_settings) as http:
        held = asyncio.Event()

        async def never(*_: object, **__: object) -> Any:
            await held.wait()

        ends: list[object] = []
        async with stream(http) as found:
            await anext(found)
            http.front.running.followers.change = never  # type: ignore[method-assign]
            read = http.front.running.followers.read
            http.front.running.followers.read = _never_there(read)  # type: ignore[method-assign]
            exporting = asyncio.create_task(http.client.get(EXPORT))
            await eventually(_open(http, 2), what="an export under way")
            http.server.should_exit = True
            held.set()
            ends += [event async for event in found]
        with pytest.raises(httpx.RemoteProtocolError):
            await exporting
        assert ends == []


def _open(http: Served, count: int) -> Any:
    async def holds() -> bool:
        return http.front.running.followers.open == count

    return holds


def _never_there(read: Any) -> Any:
    async def found(names: Any, after: Any, *, few: bool = False) -> Any:
        piece = await read(names, after, few=few)
        return piece if after.int == 2**128 - 1 else piece._replace(last=after, values=[], whole=True)

    return found


async def test_a_revoked_key_reads_no_further(http_settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(flows, "LEAVE_SECONDS", 0.0)
    monkeypatch.setattr(api_keys, "REMEMBER_SECONDS", 0.0)
    async with served(http_settings.model_copy(update={"auth_required": True})) as http:
        assert (await http.client.get(STREAM)).status_code == 401
        engine = http.front.running.engine
        _, other = await create_key(engine, "other", ["applications:write"])
        assert (await http.client.get(STREAM, headers={"X-API-Key": other})).status_code == 403
        id_, key = await create_key(engine, "reader", ["applications:read"])
        async with stream(http, headers={"X-API-Key": key}) as found, asyncio.timeout(60):
            await anext(found)
            await http.client.post("/applications", json=NEW, headers={"X-API-Key": other})
            assert len(await applications(found, 1)) == 1
            await revoke_key(engine, id_)
            assert [event async for event in found] == []


async def test_many_followers_at_the_end_cost_one_statement(http: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    server, asked = http.front.running.reads._server, 0
    fetch = server.fetch

    async def counted(*arguments: Any) -> Any:
        nonlocal asked
        asked += 1
        return await fetch(*arguments)

    async with stream(http) as one, stream(http) as two, stream(http) as three:
        for found in (one, two, three):
            await anext(found)
        id_ = await post(http)
        assert [await applications(found, 1) for found in (one, two, three)] == [[id_]] * 3
        keeper = http.front.running.keeper
        monkeypatch.setattr(server, "fetch", counted)
        for _ in range(4):
            await keeper.next_change()
    assert asked <= 4 * 2


async def test_a_crowd_is_followed_without_a_gap(http_settings: Settings) -> None:
    url = http_settings.database_url.get_secret_value()
    async with (
        served(http_settings) as one,
        served(http_settings) as two,
        followed([one.port, two.port], seed=1) as both,
    ):

        async def submit(http: Served, name: str) -> None:
            for _ in range(40):
                await post(http, user_name=name)

        await asyncio.gather(*(submit(http, f"user {number}") for http in (one, two) for number in range(8)))
        for follower in both:
            await caught_up(follower, url)
            assert await difference(follower, url) == ""
