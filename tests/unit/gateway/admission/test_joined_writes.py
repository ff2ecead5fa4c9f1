"""What of an answer may go over the wire in one piece."""

import pytest
from uvicorn.protocols.http.httptools_impl import HEADER_VALUE_RE

from gateway.admission.connections.joined_writes import in_one


@pytest.mark.parametrize("place", range(3))
def test_a_field_may_hold_what_uvicorn_lets_it_hold(place: int) -> None:
    for value in (b"a" + bytes([byte]) + b"b" for byte in range(256)):
        fields = [(b"vary", b"Origin"), (b"location", b"/a"), (b"allow", b"GET")]
        fields[place] = b"x-request-id", value
        if HEADER_VALUE_RE.search(value):
            with pytest.raises(ValueError, match="control character"):
                in_one(200, fields, b"")
        else:
            assert b"\r\nx-request-id: " + value + b"\r\n" in in_one(200, fields, b"")


def test_a_body_may_hold_anything() -> None:
    assert in_one(200, [(b"vary", b"Origin")], b"\x00\n\x7f") == b"HTTP/1.1 200 OK\r\nvary: Origin\r\n\r\n\x00\n\x7f"
