"""API keys: made by command, checked at the gate, named as visitors, revoked within seconds."""

import asyncio
import hashlib
import json
import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import cast
from uuid import UUID

import pytest
from pydantic import SecretStr
from sqlalchemy.engine import make_url
from sqlalchemy.ext.asyncio import AsyncEngine

from gateway.admission import api_keys
from gateway.admission.api_keys import ApiKey, ApiKeys, Scope
from gateway.admission.issued_keys import create_key, list_keys, revoke_key, rotate_key
from gateway.problems.errors import DatabaseAwayError
from gateway.settings import Settings
from tests.support.forked import headgate
from tests.support.http_gateway import NEW, Served, served
from tests.support.proxy import proxy
from tests.support.write_path import rows


@pytest.fixture
def locked(http_settings: Settings) -> Settings:
    return http_settings.model_copy(update={"auth_required": True})


async def made(http: Served, *scopes: Scope, expires_at: datetime | None = None) -> tuple[UUID, dict[str, str]]:
    id_, key = await create_key(http.front.running.engine, "a test", scopes, expires_at=expires_at)
    return id_, {"Authorization": f"Bearer {key}"}


async def test_without_a_key_nothing_but_health_and_documents_answers(locked: Settings) -> None:
    async with served(locked) as http:
        for method, address in (("POST", "/applications"), ("GET", "/applications"), ("POST", "/applications/batch")):
            answer = await http.client.request(method, address, json=NEW if method == "POST" else None)
            assert (answer.status_code, answer.json()["type"]) == (401, "/problems/unauthenticated")
            assert answer.headers["www-authenticate"].startswith("Bearer")
        for address in ("/livez", "/readyz", "/healthz", "/docs", "/openapi.json", "/problems/unauthenticated"):
            assert (await http.client.get(address)).status_code == 200
        page = await http.client.get("/")
        assert page.status_code == 200
        assert "<form" not in page.text
        assert (await http.client.post("/", data=NEW)).status_code == 403


async def test_a_key_may_do_what_its_scopes_say(locked: Settings) -> None:
    async with served(locked) as http:
        _, write = await made(http, "applications:write")
        _, read = await made(http, "applications:read")
        assert (await http.client.post("/applications", json=NEW, headers=write)).status_code == 201
        assert (await http.client.get("/applications", headers=read)).status_code == 200
        by_other_header = {"X-API-Key": read["Authorization"].removeprefix("Bearer ")}
        assert (await http.client.get("/applications", headers=by_other_header)).status_code == 200
        refused = await http.client.get("/applications", headers=write)
        assert (refused.status_code, refused.json()["type"]) == (403, "/problems/forbidden")
        assert "applications:read" in refused.json()["detail"]
        assert (await http.client.post("/applications", json=NEW, headers=read)).status_code == 403


async def test_revoked_expired_and_foreign_keys_are_unknown(locked: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(api_keys, "REMEMBER_SECONDS", 0.0)
    async with served(locked) as http:
        id_, headers = await made(http, "applications:read")
        _, expired = await made(http, "applications:read", expires_at=datetime.now(UTC) - timedelta(seconds=1))
        assert (await http.client.get("/applications", headers=headers)).status_code == 200
        assert await revoke_key(http.front.running.engine, id_)
        assert not await revoke_key(http.front.running.engine, id_)
        for wrong in (
            headers,
            expired,
            {"Authorization": "Bearer hg_x"},
            {"Authorization": "Basic YTpi"},
            {"X-API-Key": ""},
        ):
            assert (await http.client.get("/applications", headers=wrong)).status_code == 401


async def test_while_the_database_is_away_a_key_stays_what_it_was(
    locked: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    address = locked.database_url.get_secret_value()
    url = make_url(address)
    # The socket's folder, where there is one, stands in the query.
    async with proxy(str(url.host or url.query["host"]), url.port or 5432) as between:
        through = url.set(host="127.0.0.1", port=between.port, query={}).render_as_string(hide_password=False)
        async with served(locked.model_copy(update={"database_url": SecretStr(through)})) as http:
            _, known = await made(http, "applications:write")
            _, ending = await made(http, "applications:write", expires_at=datetime.now(UTC) + timedelta(hours=1))
            _, never_shown = await made(http, "applications:write")
            for headers in (known, ending):
                assert (await http.client.post("/applications", json=NEW, headers=headers)).status_code == 201
            monkeypatch.setattr(api_keys, "REMEMBER_SECONDS", 0.0)
            _forget_freshness(http)
            await between.stop()
            wrong = {"Content-Type": "text/plain"}  # refused after the gate and before the writer
            for headers in (known, ending):
                refused = await http.client.post("/applications", content=b"x", headers=headers | wrong)
                assert refused.status_code == 415
            away = await http.client.post("/applications", json=NEW, headers=never_shown)
            assert (away.status_code, away.json()["type"]) == (503, "/problems/database-unavailable")
            assert int(away.headers["retry-after"]) > 0
            _let_the_grace_pass(http)
            assert (await http.client.post("/applications", json=NEW, headers=known)).status_code == 503


async def test_a_silent_database_is_waited_for_once_and_not_by_each_request(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(api_keys, "_LOOK_UP_SECONDS", 0.05)
    asked = []

    async def silent(_: object, digest: bytes) -> None:
        asked.append(digest)
        await asyncio.Event().wait()

    monkeypatch.setattr(api_keys, "_read", silent)
    keys = ApiKeys(cast("AsyncEngine", None))
    found = await asyncio.gather(*(keys.find("hg_x") for _ in range(20)), return_exceptions=True)
    assert [type(one) for one in found] == [DatabaseAwayError] * 20
    assert len(asked) == 1
    await keys.close()


async def test_grace_ends_with_the_key_and_guesses_do_not_push_valid_keys_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(api_keys, "_REMEMBER_MAX", 3)
    now, away = 100.0, False
    ends = datetime.now(UTC) + timedelta(seconds=60)

    async def read(_: object, digest: bytes) -> ApiKey | None:
        if away:
            raise ConnectionRefusedError
        return ApiKey(UUID(int=1), frozenset(), ends) if digest == hashlib.sha256(b"mine").digest() else None

    monkeypatch.setattr(api_keys, "_read", read)
    keys = ApiKeys(cast("AsyncEngine", None), monotonic=lambda: now)
    assert await keys.find("mine") is not None
    for guess in range(5):
        assert await keys.find(str(guess)) is None
    away, now = True, now + 30
    assert await keys.find("mine") is not None
    with pytest.raises(DatabaseAwayError):
        await keys.find("0")  # nothing is known against it any more
    now += 31
    with pytest.raises(DatabaseAwayError):
        await keys.find("mine")


def _forget_freshness(http: Served) -> None:
    keys = http.front.gate.keys
    assert keys is not None
    keys._seen = {digest: replace(seen, fresh_until=0.0) for digest, seen in keys._seen.items()}


def _let_the_grace_pass(http: Served) -> None:
    keys = http.front.gate.keys
    assert keys is not None
    keys._seen = {digest: replace(seen, fresh_until=0.0, holds_until=0.0) for digest, seen in keys._seen.items()}


async def test_only_a_hash_is_kept_and_its_use_is_noted(locked: Settings) -> None:
    async with served(locked) as http:
        id_, headers = await made(http, "applications:read")
        await http.client.get("/applications", headers=headers)
        [listed] = await list_keys(http.front.running.engine)
        assert listed.id == id_
        assert listed.last_used_at is not None
        [row] = await rows(locked.database_url.get_secret_value(), "SELECT api_keys::text AS everything FROM api_keys")
        assert headers["Authorization"].removeprefix("Bearer ") not in row["everything"]


async def test_a_key_is_a_visitor_and_guessing_is_limited(locked: Settings) -> None:
    async with served(locked.model_copy(update={"rate_limit_per_minute": 4})) as http:
        _, one = await made(http, "applications:read")
        _, other = await made(http, "applications:read")
        for headers in (one, other):
            found = [(await http.client.get("/applications", headers=headers)).status_code for _ in range(5)]
            assert found == [200] * 4 + [429]
        guesses = [
            (await http.client.get("/applications", headers={"X-API-Key": str(n)})).status_code for n in range(4)
        ]
        assert 429 in guesses


async def test_a_rotated_key_works_beside_the_former_for_the_overlap(
    locked: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(api_keys, "REMEMBER_SECONDS", 0.0)
    async with served(locked) as http:
        id_, former = await made(http, "applications:read")
        engine = http.front.running.engine
        ends = datetime.now(UTC) + timedelta(hours=1)
        both = await asyncio.gather(*(rotate_key(engine, id_, ends_at=ends) for _ in range(3)))
        assert len({one[1] for one in both if one}) == 3
        new = {"X-API-Key": both[0][1]} if both[0] else {}
        for key in (former, new):
            assert (await http.client.get("/applications", headers=key)).status_code == 200
        await rotate_key(engine, id_, ends_at=datetime.now(UTC))
        assert (await http.client.get("/applications", headers=former)).status_code == 401
        assert (await http.client.get("/applications", headers=new)).status_code == 200
        assert await rotate_key(engine, id_, ends_at=ends) is None
        assert await rotate_key(engine, UUID(int=0), ends_at=ends) is None
        soon = datetime.now(UTC) + timedelta(minutes=1)
        id_, _ = await made(http, "applications:read", expires_at=soon)
        await rotate_key(engine, id_, ends_at=ends)
        assert [one.expires_at for one in await list_keys(engine)][:2] == [soon, soon]


async def test_keys_are_made_listed_and_revoked_by_command(locked: Settings) -> None:
    assert "No key" in await _headgate(locked, "keys", "list")
    made_ = await _headgate(locked, "keys", "create", "reading room", "--scope", "applications:read")
    key, id_ = made_.splitlines()[0], re.findall(r"id ([0-9a-f-]{36})", made_)[0]
    async with served(locked) as http:
        assert (await http.client.get("/applications", headers={"X-API-Key": key})).status_code == 200
    listing = await _headgate(locked, "keys", "list")
    assert "reading" in listing
    assert key not in listing
    assert "revoked" in await _headgate(locked, "keys", "revoke", id_)
    async with served(locked) as http:
        assert (await http.client.get("/applications", headers={"X-API-Key": key})).status_code == 401
    again = json.loads(await _headgate(locked, "keys", "create", "x", "--expires", "2d", "--json"))
    assert datetime.now(UTC) < datetime.fromisoformat(again["expires_at"]) <= datetime.now(UTC) + timedelta(days=2)
    rotated = json.loads(await _headgate(locked, "keys", "rotate", again["id"], "--overlap", "3h", "--json"))
    by_id = {one["id"]: one for one in json.loads(await _headgate(locked, "keys", "list", "--json"))}
    assert set(by_id) == {id_, again["id"], rotated["id"]}
    former, new = by_id[again["id"]], by_id[rotated["id"]]
    assert (new["name"], new["scopes"], new["expires_at"]) == ("x", former["scopes"], again["expires_at"])
    assert datetime.fromisoformat(former["expires_at"]) <= datetime.now(UTC) + timedelta(hours=3)
    kept = {"own": True, "limit": 7}
    mine = json.loads(await _headgate(locked, "keys", "create", "Ann", "--own", "--limit", "7", "--json"))
    assert {name: mine[name] for name in kept} == kept
    await _headgate(locked, "keys", "rotate", mine["id"])
    shown = json.loads(await _headgate(locked, "keys", "list", "--json"))
    assert [{name: one[name] for name in kept} for one in shown] == [kept] * 2 + [{"own": False, "limit": None}] * 3
    for wrong in ("-1", "many", "1.5", "99999999"):
        assert "--limit" in await _headgate(locked, "keys", "create", "x", f"--limit={wrong}", code=2)
    for_figures = ("keys", "create", "x", "--own", "--scope", "operations")
    assert "--own is for keys that write or read applications" in await _headgate(locked, *for_figures, code=1)
    for wrong in ("soon", "1w", "-1d", "2020-01-01", "2027-02-30", "99999999d"):
        assert wrong in await _headgate(locked, "keys", "create", "x", f"--expires={wrong}", code=1)
    assert "give one of them" in await _headgate(
        locked, "keys", "create", "x", "--expires", "1d", "--expires-days", "1", code=1
    )
    assert "no key" in await _headgate(locked, "keys", "rotate", id_, code=1)  # it is revoked
    assert "there is no scope" in await _headgate(locked, "keys", "create", "x", "--scope", "everything", code=1)


async def _headgate(settings: Settings, *arguments: str, code: int = 0) -> str:
    """What the command prints, on both streams."""
    environment = {"DATABASE_URL": settings.database_url.get_secret_value(), "COLUMNS": "200"}
    done = await asyncio.to_thread(headgate, *arguments, env=environment)
    output = done.stdout + done.stderr
    assert done.returncode == code, output
    return output
