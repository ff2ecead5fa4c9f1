"""One verdict for one input: alone, in an array, on a line or in the form, whoever reads it."""

import json
import re
from html import escape
from typing import Any
from urllib.parse import urlencode

import pytest

from gateway.intake import batch_items
from tests.support.hostile import ACCEPTED, HOSTILE_TARGETS, JSON, REFUSED, Case
from tests.support.http_gateway import NEW, Served

NDJSON = "application/x-ndjson"
MARK = b"\xef\xbb\xbf"
# What no Russian or English sentence of ours says, and messages of Python, its libraries and Rust's serde do.
FOREIGN = re.compile(r"Input should|Value error|sys\.|codec|\(char |Expecting|NoneType|\bdict\b|\bstr\b|\bint\b|' or '")

JUDGED = [
    case
    for case in (*REFUSED, *ACCEPTED)
    if case.status in {201, 400, 422} and case.headers == {"Content-Type": JSON} and case.body.strip()
]


def verdict(problem: Any) -> Any:
    """What is wrong, without where in the bytes; None where nothing is."""
    return problem and (problem["type"], problem["status"], problem.get("errors"))


async def single(http: Served, case: Case) -> Any:
    status, _, body = await http.raw(case.request())
    assert status == case.status, (case.name, body[:200])
    return None if status == 201 else json.loads(body)


async def in_batch(http: Served, case: Case, body: bytes, media_type: str) -> Any:
    status, _, answer = await http.raw(
        Case(case.name, body, 200, {"Content-Type": media_type}).request("/applications/batch")
    )
    if status != 200:
        return json.loads(answer)
    results = json.loads(answer)["results"]
    assert len(results) == 1, (case.name, answer[:300])
    return results[0].get("problem")


def as_form(body: bytes) -> dict[str, str] | None:
    """The same as a form, where a form can say it."""
    try:
        said = json.loads(body.removeprefix(MARK).decode())
        text = isinstance(said, dict) and all(isinstance(one, str) for one in said.values())
        urlencode(said if text else {}).encode()
    except (ValueError, RecursionError):
        return None
    once = text and len(re.findall(rb'"user_name"', body)) < 2 and b"\\u005f" not in body
    return said if once else None


@pytest.mark.parametrize("whole_bytes", [batch_items._WHOLE_BYTES, -1], ids=["in one step", "by element"])
async def test_single_array_and_line_agree(http: Served, monkeypatch: pytest.MonkeyPatch, whole_bytes: int) -> None:
    monkeypatch.setattr(batch_items, "_WHOLE_BYTES", whole_bytes)
    for case in JUDGED:
        expected = await single(http, case)
        mark = MARK if case.body.startswith(MARK) else b""
        array = mark + b"[" + case.body.removeprefix(mark) + b"]"
        found = {"array": await in_batch(http, case, array, JSON)}
        if b"\n" not in case.body.strip():
            found["line"] = await in_batch(http, case, case.body, NDJSON)
        for way, problem in found.items():
            assert verdict(problem) == verdict(expected), (case.name, way)
            assert not FOREIGN.search(str(problem)), (case.name, way, problem)


async def test_the_form_agrees(http: Served) -> None:
    tried = 0
    for number, case in enumerate(JUDGED):
        said = as_form(case.body)
        if said is None:
            continue
        tried += 1
        expected = await single(http, case)
        answer = await http.client.post("/", data=said | {"key": f"k{number}"})
        assert answer.status_code == (303 if expected is None else expected["status"]), case.name
        for rule in (expected or {}).get("errors", ()):
            assert escape(rule["detail"]) in answer.text, case.name
    assert tried > 15
    twice = await http.client.post(
        "/",
        content=b"user_name=a&user_name=b&description=c&key=k",
        headers={"Content-Type": "application/x-www-form-urlencoded"},
    )
    assert twice.status_code == 400


@pytest.mark.parametrize(
    "media_type", [NDJSON, "application/ndjson", "application/jsonl", "Application/JSONL; charset=utf-8"]
)
@pytest.mark.parametrize("mark", [b"", MARK], ids=["plain", "marked"])
async def test_lines_have_several_names_and_may_have_a_mark(http: Served, media_type: str, mark: bytes) -> None:
    line = json.dumps(NEW).encode()
    answer = await http.client.post(
        "/applications/batch", content=mark + line + b"\n" + line, headers={"Content-Type": media_type}
    )
    assert answer.status_code == 200, answer.text
    assert answer.json()["counts"]["created"] == 2


async def test_a_mark_that_arrives_in_pieces_is_one(http: Served) -> None:
    body = MARK + json.dumps(NEW).encode()
    chunks = b"".join(b"1\r\n%b\r\n" % body[at : at + 1] for at in range(len(body))) + b"0\r\n\r\n"
    head = f"POST /applications/batch HTTP/1.1\r\nHost: localhost\r\nContent-Type: {NDJSON}\r\n"
    head += "Transfer-Encoding: chunked\r\n\r\n"
    status, _, answer = await http.raw(head.encode(), *(chunks[at : at + 6] for at in range(0, 18, 6)), chunks[18:])
    assert (status, json.loads(answer)["counts"]["created"]) == (200, 1)


async def test_no_answer_about_an_address_speaks_python(http: Served) -> None:
    for target, status in HOSTILE_TARGETS:
        for language in ("en", "ru"):
            request = f"GET {target} HTTP/1.1\r\nHost: localhost\r\nAccept-Language: {language}\r\n\r\n".encode()
            found, _, body = await http.raw(request)
            assert found == status, target
            assert not FOREIGN.search(body.decode()), (target, body)
