"""The page for whoever submitted something: what became of it, by its id, as a browser without JavaScript sees it."""

import re
from datetime import UTC, datetime
from uuid import UUID

import pytest

from gateway.problems.errors import DatabaseAwayError
from gateway.publish.whereabouts import Place, Whereabouts
from gateway.settings import Settings
from tests.support.http_gateway import NEW, Served, served

NOBODY = "019f0000-0000-7000-8000-000000000000"


@pytest.mark.parametrize(("language", "word"), [("en", "Accepted"), ("ru", "Принята")])
async def test_what_became_of_an_application(http: Served, language: str, word: str) -> None:
    """Reached from the form, without a word of what is in it; in the other language it is the same page."""
    made = (await http.client.post("/applications", json=NEW)).json()
    form = await http.client.get(f"/?accepted={made['id']}&lang={language}")
    assert f"/status?id={made['id']}&amp;lang={language}" in form.text
    shown = await http.client.get(f"/status?id={made['id'].upper()}&lang={language}")
    assert (shown.status_code, shown.headers["cache-control"]) == (200, "no-store")
    assert re.search(rf"<strong>{word}(, | и | and )", shown.text)
    assert f'datetime="{made["created_at"]}"' in shown.text
    assert NEW["user_name"] not in shown.text
    assert NEW["description"] not in shown.text
    other = "ru" if language == "en" else "en"
    assert f'href="/status?id={made["id"].upper()}&amp;lang={other}"' in shown.text
    assert "<script" not in shown.text


@pytest.mark.parametrize(
    ("asked", "status", "word"),
    [
        ("", 200, "Id of the application"),
        ("?id=", 200, "Id of the application"),
        (f"?id={NOBODY}", 404, "No application has this id."),
        ("?id=00000000-0000-0000-0000-000000000000", 404, "No application has this id."),
        ("?id=ffffffff-ffff-ffff-ffff-ffffffffffff", 404, "No application has this id."),
        ("?id=%3Cscript%3E", 422, "this is no id"),
        ("?id=%ff%00", 422, "this is no id"),
    ],
)
async def test_what_is_no_application(http: Served, asked: str, status: int, word: str) -> None:
    answer = await http.client.get(f"/status{asked}")
    assert answer.status_code == status
    assert word in answer.text
    assert "<script" not in answer.text


async def test_nothing_is_told_while_keys_are_required(http_settings: Settings) -> None:
    async with served(http_settings.model_copy(update={"auth_required": True})) as http:
        answer = await http.client.get(f"/status?id={NOBODY}")
        assert answer.status_code == 200
        assert "only answers to an API key" in answer.text
        assert "<form" not in answer.text


async def test_a_refusal_is_a_page_too(http_settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    async with served(http_settings.model_copy(update={"rate_limit_per_minute": 2})) as http:

        async def away(_: object) -> None:
            raise DatabaseAwayError(retry_after=2)

        monkeypatch.setattr(http.front.running.whereabouts, "find", away)
        answer = await http.client.get(f"/status?id={NOBODY}&lang=ru")
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "2")
        assert "<form" in answer.text
        await http.client.get("/status")
        refused = await http.client.get(f"/status?id={NOBODY}&lang=ru")
        assert refused.status_code == 429
        assert "Слишком много запросов" in refused.text
        assert NOBODY in refused.text


NOW = datetime(2026, 11, 29, 3, 4, 5, tzinfo=UTC)


@pytest.mark.parametrize(
    ("found", "word"),
    [
        (Whereabouts(NOW, None, None, None, None), "Accepted and stored."),
        (Whereabouts(NOW, NOW, None, None, None), "stored and passed on."),
        (Whereabouts(NOW, NOW, Place(0, 7), NOW, None), "passed on and taken over."),
        (Whereabouts(NOW, None, None, None, "too <large>"), "but held up."),
    ],
)
async def test_each_state_has_its_words(
    http: Served, monkeypatch: pytest.MonkeyPatch, found: Whereabouts, word: str
) -> None:
    async def find(_: UUID) -> Whereabouts:
        return found

    monkeypatch.setattr(http.front.running.whereabouts, "find", find)
    page = (await http.client.get(f"/status?id={NOBODY}")).text
    assert word in page
    assert "2026-11-29 03:04:05 UTC" in page
    assert "large" not in page
