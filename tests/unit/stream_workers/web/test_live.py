"""The live tail: what is found by what, the place that an address keeps, and files that harm no spreadsheet."""

import csv
import json
from types import SimpleNamespace
from typing import Any, cast

import pytest

from stream_workers.web.facts.live_page import SHOWN, Asked, exported, live, wanted
from stream_workers.web.look.board import Look
from stream_workers.web.look.tail import Event, Tailed
from stream_workers.web.showing.export import as_csv, as_lines

ADA = Event(0, 7, 1.0, id="019f", user_name="Ada Lovelace", description="A bridge of iron", size=9)


def look(*events: Event, ends: tuple[int, ...] = (0, 0)) -> Look:
    views = [SimpleNamespace(partition=partition, end_offset=end) for partition, end in enumerate(ends)]
    newest = SimpleNamespace(value=Tailed(events, 0), freshness="fresh", as_of=1.0)
    return cast("Look", SimpleNamespace(newest=newest, counters=SimpleNamespace(partitions=views)))


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ({"user": "ada lovelace"}, True),
        ({"user": "ada"}, False),
        ({"user": "ada", "names": True}, True),
        ({"text": "iron"}, False),
        ({"text": "IRON", "names": True}, True),
        ({"text": "lovelace"}, False),
        ({"text": "lovelace", "names": True}, True),
        ({"text": "019F"}, True),
        ({"partition": 1}, False),
        ({"partition": 0, "user": "ADA LOVELACE", "text": "a***"}, True),
    ],
)
def test_nothing_is_found_by_what_is_not_shown(asked: dict[str, Any], found: bool) -> None:
    assert wanted(ADA, Asked(**asked)) is found


def test_a_place_is_kept_while_new_ones_come() -> None:
    events = [Event(offset % 2, offset // 2, float(offset), id=str(offset)) for offset in range(300, 0, -1)]
    first = live(look(*events[100:], ends=(101, 101)), Asked())
    assert (first["newer"], first["older"]) == (0, SHOWN)
    held = live(look(*events, ends=(151, 151)), Asked(before=first["here"]))
    assert (held["events"], held["newer"]) == (first["events"], 100)
    assert held["here"] == first["here"]
    second = live(look(*events, ends=(151, 151)), Asked(before=first["here"], skip=SHOWN))
    assert [event["id"] for event in second["events"]] == [str(number) for number in range(150, 100, -1)]
    assert len(exported(look(*events), Asked(before=first["here"]))) == 200


@pytest.mark.parametrize("before", ["", "x", "1.", "-1", "9" * 30])
def test_what_is_no_place_keeps_none(before: str) -> None:
    assert live(look(ADA), Asked(before=before))["before"] == ""


def test_a_topic_without_events_can_be_exported() -> None:
    assert as_csv([]) == b"\xef\xbb\xbf"
    assert as_lines([]) == b""


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@SUM(1)", "\t=1", "\r=1"])
def test_no_text_becomes_a_formula(text: str) -> None:
    """OWASP: CSV injection."""
    rows = list(csv.reader(as_csv([{"user_name": text, "offset": -1}]).decode("utf-8-sig").split("\r\n")))
    assert rows[1][0].startswith("'")
    assert rows[1][1] == "-1"
    assert json.loads(as_lines([{"user_name": text}])) == {"user_name": text}


def test_quotes_and_lines_stay_in_their_cell() -> None:
    text = 'a "b", c\nd\u202e\ud800'
    (_, row) = csv.reader(as_csv([{"user_name": text}]).decode("utf-8-sig").splitlines(keepends=True))
    assert row == [text.replace("\ud800", "\\ud800")]
