"""The web view without a browser and without Kafka: words, formats, findings, who reads, charts."""

import asyncio
import re
import tracemalloc
from pathlib import Path
from zoneinfo import ZoneInfo

import orjson
import pytest

import stream_workers.web
from contracts import milliseconds_of
from stream_workers.books.series import HOUR
from stream_workers.errors import why
from stream_workers.letters.dead_letters import DeadLetter, Origin
from stream_workers.letters.letters import Letter
from stream_workers.web.facts.diagnosis import Finding
from stream_workers.web.facts.letters_page import instant, positions_of, pretty, shown, text_of, whole
from stream_workers.web.facts.overview import counted_today
from stream_workers.web.facts.partitions_page import at_least
from stream_workers.web.facts.tables_page import flattened
from stream_workers.web.facts.trace_page import parsed
from stream_workers.web.look.polled import Polled
from stream_workers.web.look.rates import Rates
from stream_workers.web.look.snapshot import Sample
from stream_workers.web.serving import events
from stream_workers.web.serving.events import event
from stream_workers.web.serving.forms import local
from stream_workers.web.serving.pages import PATHS
from stream_workers.web.showing import render
from stream_workers.web.showing.chart import line, summary, table
from stream_workers.web.showing.formats import UNKNOWN, Formats, name, number
from stream_workers.web.showing.preferences import LANGUAGES, Language, Reader
from stream_workers.web.showing.told import told
from stream_workers.web.showing.wording import Words, plural, texts
from stream_workers.web.trends.history import rate_points

TEMPLATES = Path(stream_workers.web.__file__).parent / "templates"
THIN = "\u202f"


def placeholders(text: object) -> set[str]:
    return set(re.findall(r"\{(\w+)\}", str(list(text.values()) if isinstance(text, dict) else text)))


def test_both_languages_say_the_same_things() -> None:
    english, russian = texts("en"), texts("ru")
    assert english.keys() == russian.keys()
    for key in english:
        assert placeholders(english[key]) == placeholders(russian[key]), key


@pytest.mark.parametrize("language", LANGUAGES)
def test_texts_with_forms_have_every_form(language: Language) -> None:
    forms = {plural(language, n) for n in range(120)}
    for key, text in texts(language).items():
        if not isinstance(text, str):
            assert set(text) == forms, key


def test_every_word_that_a_template_names_exists() -> None:
    for template in TEMPLATES.glob("*.html"):
        for key in re.findall(r'\bt\("([\w.-]+)"[,)]', template.read_text()):
            assert key in texts("en"), f"{template.name}: {key}"


def test_a_live_update_knows_all_that_its_block_names() -> None:
    """It renders a block alone: what a template sets outside of it is not there."""
    for page in PATHS:
        assert "{% set" not in (TEMPLATES / f"{page}.html").read_text().partition("{% block")[0], page


def test_what_is_to_be_typed_is_code_and_values_are_not() -> None:
    assert "<code>headgate audit</code>" in Words("en")("finding.inexact-todo")
    assert Words("en")("health.but", why="`x`") == "Now: `x`."


def test_values_in_words_are_escaped() -> None:
    assert Words("en")("trace.of", user="<script>") == "Submitted by &lt;script&gt;"


@pytest.mark.parametrize(
    ("n", "form"),
    [(1, "one"), (2, "few"), (5, "many"), (11, "many"), (12, "many"), (21, "one"), (22, "few"), (0, "many")],
)
def test_russian_plurals(n: int, form: str) -> None:
    assert plural("ru", n) == form


def codes() -> list[str]:
    found = (re.fullmatch(r"finding\.(.+)-meaning", key) for key in texts("en"))
    return [match[1] for match in found if match]


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("code", codes())
def test_every_finding_can_be_told(code: str, language: Language) -> None:
    values = {
        "n": 3,
        "seconds": 42.0,
        "waiting": 18_204,
        "lag": 7,
        "partitions": "1, 2",
        "kind": "metrics",
        "instance": "<i>",
        "brokers": "2",
        "reason": "more than 10 s behind",
    }
    context = render.context(Reader(language, "UTC", "auto"), {})
    found = [Finding(code, "bad", values)]
    html = str(context["p"].findings(found))
    assert "<h2>" in html
    assert "<i>" not in html


def test_a_finding_names_a_kind_of_worker_in_the_readers_language() -> None:
    said = told(Words("ru"), Formats("ru", ZoneInfo("UTC")), "rebalancing", {"kind": "journal"})
    assert said == "Воркеры (журнал) заново делят партиции"


@pytest.mark.parametrize(
    ("value", "text"), [(0, "0"), (1234567, f"1{THIN}234{THIN}567"), (None, UNKNOWN), (999.6, f"1{THIN}000")]
)
def test_numbers(value: float | None, text: str) -> None:
    assert number(value) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0 s"),
        (0.07, "0.1 s"),
        (9.94, "9.9 s"),
        (42, "42 s"),
        (192, "3 min 12 s"),
        (7500, "2 h 5 min"),
        (180_000, "2 d 2 h"),
        (120, "2 min"),
        (30 * 86_400, "30 d"),
        (None, UNKNOWN),
    ],
)
def test_spans(seconds: float | None, text: str) -> None:
    assert Formats("en", ZoneInfo("UTC")).span(seconds).replace(THIN, " ") == text


def test_instants_have_the_readers_zone_and_the_full_time() -> None:
    shown_instant = Formats("ru", ZoneInfo("Europe/Berlin")).instant(1_700_000_000.25)
    assert 'datetime="2023-11-14T22:13:20.250Z"' in shown_instant
    assert 'title="2023-11-14 23:13:20.250 Europe/Berlin"' in shown_instant
    assert ">2023-11-14 23:13:20<" in shown_instant


def test_today_begins_at_the_readers_midnight() -> None:
    midnight = 1_700_006_400  # 2023-11-15 00:00 UTC
    hours = {(midnight + offset * 3600) * 1000 // HOUR: 10**power for power, offset in enumerate((-2, -1, 0, 1))}
    assert counted_today(hours, midnight + 7200, ZoneInfo("UTC")) == (1100, "UTC")
    assert counted_today(hours, midnight + 7200, ZoneInfo("Europe/Berlin")) == (1110, "Europe/Berlin")
    assert counted_today(hours, midnight + 7200, ZoneInfo("Asia/Kolkata")) == (1100, "UTC")


def test_the_rate_before_this_worker_started_comes_from_the_counted_minutes() -> None:
    now = 60 * 1000.0
    trend = [Sample(now - 30, 100, None, 0, 0.0), Sample(now - 20, 150, 5.0, 0, 0.0)]
    points = rate_points(trend, {990: 600, 998: 120}, now)
    assert points[-1] == (now - 20, 5.0)
    assert dict(points)[990.5 * 60] == 10.0
    assert dict(points)[998.5 * 60] == 2.0
    assert rate_points([], {}, now) == []


def test_a_chart_without_a_script() -> None:
    points = [(40.0, 1.0), (50.0, None), (100.0, 4.0), (110.0, 2.0)]
    assert summary(points) == (2.0, 1.0, 4.0)
    assert summary([(1.0, None)]) is None
    assert table(points) == [(60.0, 4.0), (0.0, 1.0)]
    assert line(points, now=120.0, seconds=60).split() == ["400.0,10.9", "500.0,65.5"]


def test_rates_are_unknown_until_two_looks() -> None:
    rates = Rates()
    assert rates.of(100.0, {0: 10}) == {}
    assert rates.of(102.0, {0: 30, 1: 5}) == {0: 10.0}
    assert rates.of(104.0, {0: 8, 1: 5}) == {}
    assert rates.of(200.0, {0: 8}) == {}


def test_an_event_keeps_every_line_in_a_field() -> None:
    assert event("live", "a\r\n\nb") == b"event: live\ndata: a\ndata: \ndata: b\n\n"


@pytest.mark.parametrize("path", ["//x", "/\\x", "https://x", "", None, "/a\nb"])
def test_forms_lead_to_this_site_only(path: str | None) -> None:
    assert local(path) == "/"


def test_payloads_are_shown_safely() -> None:
    assert shown(b"\xff\x00\x1b[31m<b>", at_most=100) == "\\xff\\x00\\x1b[31m<b>"
    assert shown(b"a" * 200, at_most=100) == "a" * 100 + "…"
    assert shown(None, at_most=1) is None
    assert pretty(b'{"a": "\xc3\xa9"}') == '{\n  "a": "é"\n}'
    assert pretty(b"no json") == "no json"
    assert instant("yesterday") is None


@pytest.mark.parametrize("depth", [100, 900, 1000, 5000])
@pytest.mark.parametrize("size", [60_000, 800_000])
def test_a_payload_is_cut_before_it_is_shaped(depth: int, size: int) -> None:
    """Each bracket gets a line, and as many spaces as brackets are open."""
    one = b"[" * depth + b"]" * depth
    tracemalloc.start()
    try:
        made = pretty(b"[" + b",".join([one] * (size // len(one))) + b"]")
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert made is not None
    assert made.startswith("[")
    assert len(made) <= 65_537
    assert peak < 32 * 1024 * 1024


def test_all_that_a_page_shows_of_a_letter_is_cut() -> None:
    """Headers of the dead-letter topic may come from anybody."""
    headers = [("\x1b[2J\udcff" + "n" * 100_000, b"v" * 100_000)] * 10_000
    dead = DeadLetter(Origin("t" * 9999, 0, 1), "r" * 100_000, "d" * 100_000, "z", b"k" * 9999, b"v", headers)
    facts = whole(Letter(dead))
    assert facts["headers_in_all"] == 10_000
    assert facts["headers"][0]["name"].startswith("\\x1b[2J\\xff")
    assert len(orjson.dumps(facts)) < 256 * 1024


@pytest.mark.parametrize(
    "text", ["9999-12-31T23:59:59-12:00", "0001-01-01T00:00:00", "0001-01-01T00:00:00+14:00", "2026-01-01", "soon"]
)
def test_any_time_can_be_shown(text: str) -> None:
    for zone in ("UTC", "Asia/Tokyo", "America/New_York"):
        assert UNKNOWN in Formats("en", ZoneInfo(zone)).instant(instant(text)) or instant(text) is not None


@pytest.mark.parametrize("at", [253_402_344_000.0, 253_402_300_799.0, -62_135_596_800.0, 2.0**63 / 1000, -0.001, -1e13])
def test_a_time_beyond_the_calendar_is_a_dash(at: float) -> None:
    for zone in ("UTC", "Asia/Tokyo", "America/New_York"):
        shown_instant = Formats("ru", ZoneInfo(zone)).instant(at)
        assert "<time" in shown_instant or UNKNOWN in shown_instant


def test_a_year_has_four_digits() -> None:
    assert ">0001-01-03 00:00:00<" in Formats("en", ZoneInfo("UTC")).instant(instant("0001-01-03T00:00:00Z"))


def test_positions_stand_in_an_address_and_nothing_else_does() -> None:
    assert positions_of("120.0.7") == {0: 120, 1: 0, 2: 7}
    assert text_of({2: 7, 0: 120, 1: 0}) == "120.0.7"
    for text in ("", "newest", "1..2", "-1", "1.²", "9" * 30):
        assert positions_of(text) is None


def test_names_turn_nothing_round_and_hide_nothing() -> None:
    assert name("\u202eeve\x1b[1m") == "<bdi>\\u202eeve\\x1b[1m</bdi>"
    assert name("<b>") == "<bdi>&lt;b&gt;</bdi>"
    family = "\N{MAN}\u200d\N{GIRL}"
    assert name(family) == f"<bdi>{family}</bdi>"


@pytest.mark.parametrize(
    ("error", "text"),
    [(TimeoutError(), "no answer in time"), (OSError("refused"), "refused"), (ValueError(), "ValueError()")],
)
def test_why_a_source_is_silent_is_said_in_words(error: Exception, text: str) -> None:
    assert why(error) == text


async def test_a_source_that_is_late_is_not_fresh() -> None:
    now = 1_000.0

    async def ask() -> int:
        return 7

    polled = Polled(ask, every=2.0, timeout=4.0, clock=lambda: now)
    task = polled.refresh()
    assert task is not None
    await task
    assert polled.seen().freshness == "fresh"
    now += 6.5
    late = polled.seen()
    assert (late.freshness, late.value, late.silent_since) == ("stale", 7, 1_000.0)


async def test_a_slow_source_is_not_a_worker_that_is_gone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(events, "BEAT_SECONDS", 0.01)
    answered = asyncio.Event()

    async def regions() -> dict[str, str]:
        await answered.wait()
        return {"live": "<p>"}

    changes = events.Streams(lambda: 0.01)._changes(regions)
    assert await anext(changes) == event("beat", "")
    assert await anext(changes) == event("beat", "")
    answered.set()
    chunks = [await anext(changes) for _ in range(3)]
    assert event("live", "<p>") + event("beat", "") in chunks


async def test_a_stream_waits_for_the_next_look_but_is_never_silent_for_long(monkeypatch: pytest.MonkeyPatch) -> None:
    waited: list[float | None] = []

    def timeout(seconds: float) -> asyncio.Timeout:
        waited.append(seconds)
        return within(0)

    within = asyncio.timeout
    monkeypatch.setattr(asyncio, "timeout", timeout)

    async def regions() -> dict[str, str]:
        return {}

    paces = iter((1.0, 2.5, 10.0))
    changes = events.Streams(lambda: next(paces))._changes(regions)
    for _ in range(4):
        assert event("beat", "") in await anext(changes)
    assert waited == [1.0, 2.5, events.BEAT_AT_LEAST_SECONDS]


def test_a_key_of_a_page_s_facts_is_found_before_a_method_of_that_name() -> None:
    shown = render._environment().from_string("{{ facts.items }} {{ facts.values() | list }}")
    assert shown.render(facts={"items": 1}) == "1 [1]"


def test_nothing_is_counted_or_logged_past_the_end_of_the_topic() -> None:
    assert at_least(10, 11, 4) == 12
    assert at_least(10, 9, None) == 10
    assert at_least(0, None, None) == 0
    assert at_least(None, 11, None) is None


def test_values_become_paths() -> None:
    assert list(flattened({"a": {"b": 1}, "c": [2, {"d": None}]})) == [("a.b", 1), ("c[0]", 2), ("c[1].d", None)]


def test_ids_are_told_apart_and_carry_their_time() -> None:
    id_ = parsed(" 01a20a39-c266-70ab-8a0d-95f81efe32a0 ")
    assert id_ is not None
    assert milliseconds_of(id_) == 0x01A20A39C266
    assert parsed("7c9e6679-7425-40de-944b-e07fc1f90ae7") is None
    assert parsed("<script>") is None


@pytest.mark.parametrize(
    "value", [b"\xff" * 800, "\U0001d518".encode() * 200, b"a" * 800, "é".encode() * 5, b"\xf0\x9d"]
)
def test_text_is_decoded_no_further_than_it_is_shown(value: bytes) -> None:
    for at_most in range(1, 20):
        whole_text = value.decode(errors="backslashreplace")
        cut = whole_text[:at_most] + ("…" if len(whole_text) > at_most else "")
        assert shown(value, at_most=at_most) == cut


def test_of_a_large_value_only_what_is_shown_is_decoded() -> None:
    value = b"\xff" * 2_000_000
    tracemalloc.start()
    try:
        assert shown(value, at_most=20) == "\\xff" * 5 + "…"
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 100_000
