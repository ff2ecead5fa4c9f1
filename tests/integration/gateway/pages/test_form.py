"""The form at /, the documents and the problem pages, as a browser without JavaScript sees them."""

import re

import httpx
import pytest

from gateway.commit.submission import Submission
from gateway.problems.document import texts
from gateway.problems.errors import DatabaseAwayError
from gateway.settings import Settings
from tests.support.http_gateway import NEW, Served, count, served

# What this page is called; its content is in English alone.
_EVENTS = {"en": "Events", "ru": "События"}


def key_in(page: str) -> str:
    return str(re.findall(r'name="key" value="([^"]+)"', page)[0])


async def test_a_form_is_stored_once_however_often_it_is_sent(http: Served) -> None:
    key = key_in((await http.client.get("/")).text)
    for _ in range(2):
        sent = await http.client.post("/", data=NEW | {"key": key})
        assert sent.status_code == 303
    shown = await http.client.get(sent.headers["location"])
    assert "Анна Ковалёва" in shown.text
    assert sent.headers["location"].removeprefix("/?accepted=") in shown.text
    assert await count(http.settings) == 1


async def test_what_is_wrong_stands_beside_its_field_and_what_was_typed_stays(http: Served) -> None:
    answer = await http.client.post("/?lang=ru", data={"user_name": "<b>Анна</b>", "description": " ", "key": "k"})
    assert answer.status_code == 422
    assert 'lang="ru"' in answer.text
    assert 'value="&lt;b&gt;Анна&lt;/b&gt;"' in answer.text
    assert 'aria-invalid="true"' in answer.text
    assert '<p class="wrong" id="description-wrong">минимальная длина' in answer.text
    assert 'id="user_name-wrong"' not in answer.text
    assert await count(http.settings) == 0


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Sec-Fetch-Site": "same-site"}, 403),
        ({"Origin": "https://elsewhere.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Sec-Fetch-Site": "same-origin"}, 303),
        ({}, 303),
    ],
)
async def test_another_site_cannot_send_it(http: Served, headers: dict[str, str], status: int) -> None:
    assert (await http.client.post("/", data=NEW | {"key": "k"}, headers=headers)).status_code == status


@pytest.mark.parametrize(
    ("content", "content_type", "status"),
    [
        (b"user_name=%ff&description=b&key=k", "application/x-www-form-urlencoded", 400),
        (b"\xff\xfe", "application/x-www-form-urlencoded", 400),
        (b"&".join(b"a=b" for _ in range(100)), "application/x-www-form-urlencoded", 400),
        (b"{}", "application/json", 415),
        (b"user_name=a%00&description=b&key=k", "application/x-www-form-urlencoded", 422),
        (b"user_name=a&description=b", "application/x-www-form-urlencoded", 400),
        (b"user_name=a&description=" + b"b" * 2_000_000, "application/x-www-form-urlencoded", 413),
    ],
)
async def test_forms_that_no_browser_sends(http: Served, content: bytes, content_type: str, status: int) -> None:
    answer = await http.client.post("/", content=content, headers={"Content-Type": content_type})
    assert answer.status_code == status
    assert await count(http.settings) == 0


async def test_pages_load_nothing_from_elsewhere(http: Served) -> None:
    for address in ("/", "/docs", "/redoc", "/problems/", "/problems/invalid"):
        page = await http.client.get(address)
        assert page.status_code == 200
        assert "default-src 'none'" in page.headers["content-security-policy"]
        assert not re.findall(r'(?:src|href)="(?:https?:)?//', page.text)
        for loaded in re.findall(r'(?:src|href)="(/static/[^"]+)"', page.text):
            assert (await http.client.get(loaded)).status_code == 200


async def test_every_problem_has_a_page_in_both_languages(http: Served) -> None:
    for code, text in texts().items():
        for language in ("en", "ru"):
            page = await http.client.get(f"/problems/{code}", params={"lang": language})
            assert page.status_code == 200
            assert text.title[language] in page.text.replace("&#39;", "'")
            assert "`" not in page.text


@pytest.mark.parametrize("address", ["/", "/status", "/problems/", "/problems/invalid", "/asyncapi"])
@pytest.mark.parametrize("language", ["en", "ru"])
async def test_a_page_says_what_it_is_and_leads_on_in_the_language_that_was_asked_for(
    http: Served, address: str, language: str
) -> None:
    page = (await http.client.get(address, params={"lang": language})).text
    (title,) = re.findall("<title>(.+) · Headgate</title>", page)
    assert f"<h1>{title}</h1>" in page or (address, title) == ("/asyncapi", _EVENTS[language])
    pages = re.findall(r'href="(/(?:status|problems/[\w-]*|asyncapi)?(?:\?[^"]*)?)"', page)
    other = [found for found in pages if found.endswith("lang=ru" if language == "en" else "lang=en")]
    assert len(pages) > 3
    assert all("lang=" in found for found in pages)
    assert len(other) == 1


async def test_a_full_form_without_a_database_is_kept(http_settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    async with served(http_settings) as http:

        def away(_: object) -> None:
            raise DatabaseAwayError

        monkeypatch.setattr(http.front.running.writer, "submit", away)
        answer = await http.client.post("/", data=NEW | {"key": "k"})
        assert answer.status_code == 503
        assert "Анна Ковалёва" in answer.text
        assert "The database is away" in answer.text


TYPED = {"user_name": "<Анна>", "description": "Пропуск\nв зал", "key": "mine"}


def _assert_kept(answer: httpx.Response, language: str = "ru", *, key: bool = True) -> None:
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert (answer.headers["content-language"], answer.headers["cache-control"]) == (language, "no-store")
    assert 'value="&lt;Анна&gt;"' in answer.text
    assert "Пропуск\nв зал</textarea>" in answer.text
    assert (key_in(answer.text) == "mine") == key


async def test_a_form_that_was_refused_is_the_same_one_when_sent_again(
    http_settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The commit got through though its answer did not: sent again from the page of the error, it is no second row."""
    async with served(http_settings) as http:
        real = http.front.running.writer.submit

        async def lost(submission: Submission) -> None:
            await real(submission)
            raise DatabaseAwayError(retry_after=2)

        monkeypatch.setattr(http.front.running.writer, "submit", lost)
        answer = await http.client.post("/?lang=ru", data=TYPED)
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "2")
        _assert_kept(answer)
        monkeypatch.undo()
        again = await http.client.post("/?lang=ru", data=TYPED | {"key": key_in(answer.text)})
        assert again.status_code == 303
        assert await count(http.settings) == 1
        other = await http.client.post("/?lang=ru", data=TYPED | {"description": "Другая"})
        assert other.status_code == 422
        fresh = key_in(other.text)
        assert fresh != "mine"
        assert (await http.client.post("/", data=TYPED | {"description": "Другая", "key": fresh})).status_code == 303
        assert await count(http.settings) == 2


async def test_what_is_wrong_keeps_the_key(http: Served) -> None:
    answer = await http.client.post("/", data=TYPED | {"description": " "})
    assert (answer.status_code, key_in(answer.text)) == (422, "mine")


async def test_another_site_gets_a_page_that_keeps_the_text(http: Served) -> None:
    answer = await http.client.post("/?lang=ru", data=TYPED, headers={"Sec-Fetch-Site": "cross-site"})
    assert answer.status_code == 403
    _assert_kept(answer)
    assert texts()["cross-site"].title["ru"] in answer.text


async def test_a_visitor_who_comes_too_often_keeps_the_text(http_settings: Settings) -> None:
    async with served(http_settings.model_copy(update={"rate_limit_per_minute": 1})) as http:
        await http.client.get("/")
        answer = await http.client.post("/", data=TYPED, headers={"Accept-Language": "ru"})
        assert answer.status_code == 429
        _assert_kept(answer)
        assert int(answer.headers["retry-after"]) > 0
        assert "Слишком много запросов" in answer.text
        shown = await http.client.get("/?lang=ru")
        assert shown.status_code == 429
        assert "<form" in shown.text
        assert (await http.client.put("/")).headers["content-type"] == "application/problem+json"
        assert await count(http.settings) == 0


async def test_an_overload_keeps_the_text(http_settings: Settings) -> None:
    async with served(http_settings) as http:
        http.front.settings = http.settings.model_copy(update={"requests_max": 0})
        answer = await http.client.post("/?lang=ru", data=TYPED)
        assert answer.status_code == 503
        _assert_kept(answer)
        assert await count(http.settings) == 0


async def test_a_name_that_is_not_ours_is_refused_with_a_page(http: Served) -> None:
    for answer in (
        await http.client.post("/?lang=ru", data=TYPED, headers={"Host": "evil.example"}),
        await http.client.get("/", headers={"Host": "evil.example", "Accept-Language": "ru"}),
    ):
        assert answer.status_code == 421
        assert answer.headers["content-type"] == "text/html; charset=utf-8"
        assert texts()["misdirected"].title["ru"] in answer.text
    assert await count(http.settings) == 0


async def test_what_nobody_foresaw_keeps_the_text_and_is_logged(
    http_settings: Settings, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async with served(http_settings) as http:

        async def broken(*_: object) -> None:
            raise RuntimeError("nobody foresaw this")

        monkeypatch.setattr(http.front.running.writer, "submit", broken)
        monkeypatch.setattr(http.front.running.reads, "page", broken)
        answer = await http.client.post("/?lang=ru", data=TYPED)
        assert answer.status_code == 500
        _assert_kept(answer)
        assert texts()["internal-error"].title["ru"] in answer.text
        assert "nobody foresaw" not in answer.text
        assert "A form was not stored" in caplog.text
        assert "The newest applications were not read" in caplog.text
        shown = await http.client.get("/?lang=ru")
        assert (shown.status_code, "<form" in shown.text) == (200, True)


@pytest.mark.parametrize(
    ("content", "media_type", "status"), [(b"{}", "application/json", 415), (b"a" * 2_000_000, None, 413)]
)
async def test_what_cannot_be_read_as_a_form_is_answered_with_one(
    http: Served, content: bytes, media_type: str | None, status: int
) -> None:
    headers = {"Content-Type": media_type or "application/x-www-form-urlencoded", "Accept-Language": "ru"}
    answer = await http.client.post("/", content=content, headers=headers)
    assert (answer.status_code, answer.headers["content-language"]) == (status, "ru")
    assert "<form" in answer.text
    assert "`" not in answer.text


async def test_a_field_that_the_form_has_not_is_told(http: Served) -> None:
    answer = await http.client.post("/", data=TYPED | {"<i>x": "1"})
    assert answer.status_code == 422
    assert "%3Ci%3Ex" in answer.text
    assert "is not known here" in answer.text


async def test_cors_is_for_those_who_are_listed(http_settings: Settings) -> None:
    async with served(http_settings.model_copy(update={"cors_origins": ("https://app.example",)})) as http:
        preflight = {"Origin": "https://app.example", "Access-Control-Request-Method": "POST"}
        allowed = await http.client.options("/applications", headers=preflight)
        assert allowed.status_code == 204
        assert allowed.headers["access-control-allow-origin"] == "https://app.example"
        posted = await http.client.post("/applications", json=NEW, headers={"Origin": "https://app.example"})
        assert posted.headers["access-control-allow-origin"] == "https://app.example"
        assert "Location" in posted.headers["access-control-expose-headers"]
        other = await http.client.options("/applications", headers=preflight | {"Origin": "https://evil.example"})
        assert other.status_code == 405
        assert "access-control-allow-origin" not in other.headers
