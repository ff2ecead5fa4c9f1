"""Accept-Encoding with its weights: gzip only where it is asked for."""

import pytest

from gateway.read import forms


@pytest.mark.parametrize(
    ("header", "wanted"),
    [
        (b"gzip", True),
        (b"GZIP", True),
        (b"x-gzip", True),
        (b"br, gzip;q=0.5", True),
        (b"gzip ; q = 1.000", True),
        (b"*", True),
        (b"*;q=0.1", True),
        (b"gzip, identity", True),
        (b"gzip;q=0.4, identity;q=0.3", True),
        (None, False),
        (b"", False),
        (b"br", False),
        (b"gzip;q=0", False),
        (b"gzip;q=0.000", False),
        (b"gzip;q=0, *", False),
        (b"*;q=0", False),
        (b"identity", False),
        (b"gzip;q=0.5, identity;q=0.9", False),
        (b"gzip;q=x", False),
        (b"gzip;q=-1", False),
        (b"gzip;q=9", False),
        (b"gzip;q=nan", False),
        (b"gzip;q=1e0", False),
        (b"gzip;q=", False),
        (b"gzipped", False),
        (b",;,=", False),
        (b"\xff;q=\xb2", False),
    ],
)
def test_gzip_is_sent_to_who_asks_for_it(header: bytes | None, wanted: bool) -> None:
    assert forms.accepts(header) is wanted
