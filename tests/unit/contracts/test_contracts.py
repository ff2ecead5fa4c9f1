"""The event on the wire, byte for byte, as contracts/examples/ has it; and what consumers do with anything else."""

import json
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from pydantic_core import to_json

from contracts import (
    UNREADABLE_HEADER,
    Application,
    NewApplication,
    Topics,
    UndecodableError,
    created_at_text,
    from_record,
    id_of,
    to_headers,
    to_key,
)
from stream_workers.kinds import JOURNAL, METRICS
from tests.records import to_value
from tests.support.commands import ROOT

EXAMPLES = sorted((ROOT / "contracts" / "examples").glob("*.json"))
GOOD = {
    "id": "0198c0de-7a5c-7000-8000-00000000002a",
    "user_name": "ada",
    "description": "A bridge",
    "created_at": "2026-11-23T10:00:00.123Z",
}


def example(path: Path) -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads(path.read_text())
    return loaded


def headers_of(event: dict[str, Any]) -> list[tuple[str, bytes]]:
    return [(name, value.encode()) for name, value in event["headers"]]


def test_there_are_examples() -> None:
    assert len(EXAMPLES) >= 3


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_an_example_is_written_byte_for_byte(path: Path) -> None:
    event = example(path)
    application = event["application"]
    created_at = datetime.fromisoformat(application["created_at"])
    fields = {**application, "id": UUID(application["id"]), "created_at": created_at}
    assert to_value(**fields).decode() == event["value"]
    assert to_key(application["user_name"]).decode() == event["key"]
    traceparent = dict(headers_of(event))["traceparent"].decode()
    assert to_headers(id=fields["id"], created_at=created_at, traceparent=traceparent) == headers_of(event)


@given(name=st.text(), text=st.text())
def test_a_value_is_what_the_model_would_write(name: str, text: str) -> None:
    """Surrogates apart, whatever a string holds: quotation marks, control characters, any script."""
    id_, created_at = UUID(GOOD["id"]), datetime.fromisoformat(GOOD["created_at"])
    written = Application.model_construct(id=id_, user_name=name, description=text, created_at=created_at)
    assert to_value(id=id_, user_name=name, description=text, created_at=created_at) == to_json(
        written.model_dump() | {"created_at": GOOD["created_at"]}
    )


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_an_example_is_read_back(path: Path) -> None:
    event = example(path)
    application = from_record(event["value"].encode(), headers_of(event))
    assert application == Application.model_validate(event["application"])
    assert id_of(event["value"].encode(), headers_of(event)) == application.id


def test_an_event_without_headers_is_version_1() -> None:
    assert from_record(json.dumps(GOOD).encode(), None).user_name == "ada"
    assert from_record(json.dumps(GOOD).encode(), []).user_name == "ada"


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (None, "tombstone"),
        (b"", "invalid"),
        (b"\xff\xfe", "invalid"),
        (b"null", "invalid"),
        (b"[]", "invalid"),
        (b"[" * 100_000, "invalid"),
        (json.dumps({**GOOD, "id": "1"}).encode(), "invalid"),
        (json.dumps({**GOOD, "user_name": ""}).encode(), "invalid"),
        (json.dumps({**GOOD, "user_name": "u" * 256}).encode(), "invalid"),
        (json.dumps({**GOOD, "user_name": "a\x00b"}).encode(), "invalid"),
        (json.dumps({**GOOD, "user_name": "\ud800"}).encode(), "invalid"),
        (json.dumps({**GOOD, "user_name": 7}).encode(), "invalid"),
        (json.dumps({**GOOD, "description": "d" * 10_001}).encode(), "invalid"),
        (json.dumps({**GOOD, "created_at": "2026-11-23T10:00:00"}).encode(), "invalid"),
        (json.dumps({**GOOD, "created_at": None}).encode(), "invalid"),
    ],
)
def test_what_is_no_event_has_a_reason(value: bytes | None, reason: str) -> None:
    with pytest.raises(UndecodableError) as caught:
        from_record(value, None)
    assert caught.value.reason == reason


def test_a_later_version_is_not_guessed_at() -> None:
    with pytest.raises(UndecodableError) as caught:
        from_record(json.dumps(GOOD).encode(), [("ce_type", b"headgate.application.submitted.v2")])
    assert caught.value.reason == "unknown-version"


def test_what_nobody_could_read_all_of_is_no_event_and_has_no_id() -> None:
    """Else recovery would take it for the event, and the counters would not."""
    value, headers = json.dumps(GOOD).encode(), [(UNREADABLE_HEADER, b"why"), ("ce_id", GOOD["id"].encode())]
    with pytest.raises(UndecodableError, match="invalid: why"):
        from_record(value, headers)
    assert id_of(value, headers) is None
    assert id_of(value, headers[1:]) == UUID(GOOD["id"])


@given(st.binary(max_size=200), st.lists(st.tuples(st.text(max_size=8), st.binary(max_size=20)), max_size=3))
def test_no_bytes_raise_anything_else(value: bytes, headers: list[tuple[str, bytes]]) -> None:
    with pytest.raises(UndecodableError):
        from_record(value, headers)
    assert id_of(value, headers) is None


_TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), min_size=1, max_size=255)


@given(
    st.uuids(version=4),
    _TEXT.filter(lambda text: text == text.strip() != ""),
    st.datetimes(min_value=datetime(1970, 1, 1), max_value=datetime(9999, 12, 31)),  # noqa: DTZ001 -- aware below
)
def test_written_and_read_is_the_same(id_: UUID, text: str, instant: datetime) -> None:
    created_at = instant.replace(microsecond=instant.microsecond // 1000 * 1000, tzinfo=UTC)
    fields = {"id": id_, "user_name": text, "description": text, "created_at": created_at}
    value = to_value(id=id_, user_name=text, description=text, created_at=created_at)
    assert from_record(value, to_headers(id=id_, created_at=created_at)).model_dump() == fields


@pytest.mark.parametrize("field", ["user_name", "description"])
@pytest.mark.parametrize("bad", ["", "   ", "\x00", "a\x00b", None, 1, ["a"]])
def test_a_submission_is_checked(field: str, bad: object) -> None:
    with pytest.raises(ValidationError):
        NewApplication.model_validate({"user_name": "ada", "description": "d", field: bad})


def test_a_submission_is_stripped_before_it_is_measured() -> None:
    assert NewApplication(user_name=f"  {'u' * 255}\n", description=" d ").user_name == "u" * 255


def test_a_submission_has_no_other_fields() -> None:
    with pytest.raises(ValidationError):
        NewApplication.model_validate({"user_name": "ada", "description": "d", "id": "mine"})


def test_times_have_milliseconds_and_z() -> None:
    assert created_at_text(datetime(2026, 1, 2, 3, 4, 5, 999_999, UTC)) == "2026-01-02T03:04:05.999Z"


@given(st.datetimes(timezones=st.sampled_from([UTC, timezone(timedelta(hours=5, minutes=45)), timezone.min])))
def test_times_are_those_of_iso_format(at: datetime) -> None:
    try:
        expected = at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    except OverflowError:
        return
    assert created_at_text(at) == expected


def test_a_prefix_is_on_every_name() -> None:
    topics = Topics("x.")
    names = [topics.applications, topics.dead_letters, JOURNAL.group(topics), METRICS.group(topics)]
    assert all(name.startswith("x.") for name in [*names, JOURNAL.changelog(topics), METRICS.changelog(topics)])
