"""What a terminal is shown of records that anybody may have written."""

import json

import pytest
from aiokafka.structs import ConsumerRecord

from cli.topics.tail import as_json, printed


def record(*, timestamp: int = 0, header: str = "name") -> "ConsumerRecord[bytes, bytes]":
    return ConsumerRecord("t", 0, 7, timestamp, 0, b"\x1b[2J", b"\x1b[31m", None, 4, 4, ((header, b"\x9b1m"),))


@pytest.mark.parametrize("header", ["\x1b[2J\x07", "\u202e", "\udcff", "\r\nfake-1 offset 9"])
def test_header_names_do_nothing_to_a_terminal(header: str) -> None:
    lines = printed(record(header=header)).split("\n")
    assert len(lines) == 3
    assert all(line.isprintable() for line in lines)


@pytest.mark.parametrize("timestamp", [-1, 0, 2**63 - 1, -(2**63), 253_402_344_000_000])
def test_any_time_can_be_printed(timestamp: int) -> None:
    assert "offset 7" in printed(record(timestamp=timestamp))


def test_a_record_as_json_is_one_line_and_whole() -> None:
    line = as_json(record(header="\udcff", timestamp=253_402_344_000_000))
    assert "\n" not in line
    found = json.loads(line)
    assert found == {
        "topic": "t",
        "partition": 0,
        "offset": 7,
        "time": None,
        "key": "\x1b[2J",
        "headers": [["\udcff", "\\x9b1m"]],
        "value": "\x1b[31m",
    }
