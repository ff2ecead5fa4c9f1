"""Fields that are asked for, and answers in gzip: the same applications in fewer bytes."""

import gzip
import json
import zlib

import httpx
import pytest

from tests.integration.gateway.read.test_reading import fill
from tests.support.http_gateway import NEW, Served
from tests.support.write_path import eventually

PLAIN, PACKED = {"Accept-Encoding": "identity"}, {"Accept-Encoding": "gzip"}


async def raw(http: Served, path: str, headers: dict[str, str]) -> tuple[httpx.Response, bytes]:
    """The answer, and its body as it came."""
    async with http.client.stream("GET", path, headers=headers) as answer:
        return answer, b"".join([piece async for piece in answer.aiter_raw()])


async def test_a_long_list_is_packed_for_who_asks(http: Served) -> None:
    await fill(http.settings.database_url.get_secret_value(), 30)
    plain, body = await raw(http, "/applications?size=30", PLAIN)
    answer, packed = await raw(http, "/applications?size=30", PACKED)
    assert "content-encoding" not in plain.headers
    assert answer.headers["content-encoding"] == "gzip"
    assert answer.headers["content-length"] == str(len(packed))
    assert "accept-encoding" in plain.headers["vary"]
    assert "accept-encoding" in answer.headers["vary"]
    assert gzip.decompress(packed) == body
    assert len(packed) < len(body) / 3
    short, _ = await raw(http, "/applications?size=1&fields=id", PACKED)
    assert "content-encoding" not in short.headers
    assert "vary" not in short.headers


async def test_one_long_application_has_a_tag_for_each_form(http: Served) -> None:
    place = (await http.client.post("/applications", json=NEW | {"description": "long " * 1_000})).headers["location"]
    plain, body = await raw(http, place, PLAIN)
    answer, packed = await raw(http, place, PACKED)
    assert gzip.decompress(packed) == body
    assert answer.headers["etag"] != plain.headers["etag"]
    for headers, tag in ((PLAIN, plain.headers["etag"]), (PACKED, answer.headers["etag"])):
        again = await http.client.get(place, headers=headers | {"If-None-Match": tag})
        assert (again.status_code, again.headers["etag"]) == (304, tag)
        assert "content-encoding" not in again.headers
    assert (await http.client.head(place, headers=PACKED)).headers["content-length"] == str(len(packed))


async def test_an_export_is_packed_piece_by_piece(http: Served) -> None:
    await fill(http.settings.database_url.get_secret_value(), 200)
    _, body = await raw(http, "/applications/export", PLAIN)
    answer, packed = await raw(http, "/applications/export", PACKED)
    assert answer.headers["content-encoding"] == "gzip"
    assert gzip.decompress(packed) == body
    # What has come can be read, though the end is missing.
    assert body.startswith(zlib.decompressobj(31).decompress(packed[: len(packed) // 2])[:100])


async def test_problems_and_pages_are_never_packed(http: Served) -> None:
    for path in ("/", "/applications?size=x&" + "a" * 2_000, "/problems/invalid"):
        assert "content-encoding" not in (await http.client.get(path, headers=PACKED)).headers


async def test_only_the_fields_that_are_asked_for(http: Served) -> None:
    await fill(http.settings.database_url.get_secret_value(), 3)
    whole = (await http.client.get("/applications")).json()
    some = (await http.client.get("/applications", params={"fields": "created_at,id", "size": "2"})).json()
    assert [list(item) for item in some["items"]] == [["id", "created_at"]] * 2
    assert some["items"] == [{name: item[name] for name in ("id", "created_at")} for item in whole["items"][:2]]
    answer = await http.client.get("/applications", params={"fields": "user_name", "size": "2"})
    following = (await http.client.get(answer.links["next"]["url"])).json()["items"]
    assert following == [{"user_name": whole["items"][2]["user_name"]}]
    cursor = (await http.client.get("/applications", params={"cursor": some["next_cursor"], "fields": "id"})).json()
    assert cursor["items"] == [{"id": whole["items"][2]["id"]}]


@pytest.mark.parametrize("fields", ["", "x", "id,", "id,id", ",", "id, user_name", "ID", "id,x", "\x00", "i" * 5_000])
async def test_fields_that_are_none_are_refused(http: Served, fields: str) -> None:
    answer = await http.client.get("/applications", params={"fields": fields})
    assert answer.status_code == 422
    [wrong] = answer.json()["errors"]
    assert (wrong["parameter"], wrong["code"]) == ("fields", "fields")
    assert wrong["detail"] == "must be some of id, user_name, description, created_at, with commas"


async def test_a_reader_of_a_packed_export_that_leaves_frees_its_place(http: Served) -> None:
    async with http.client.stream("GET", "/applications/export", headers=PACKED) as answer:
        assert answer.status_code == 200

    async def free() -> bool:
        return http.front.running.followers.open == 0

    await eventually(free, what="the place of a reader that has gone")
    assert json.loads((await http.client.get("/livez")).content) == {"status": "ok"}
