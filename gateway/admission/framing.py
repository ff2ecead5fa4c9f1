"""What says where a request ends and whom it is for: said once, and in the one way that everybody reads alike."""

from gateway.admission.visit import Visit
from gateway.problems.errors import FramingError


def check(visit: Visit, http_version: str) -> None:
    """FramingError for no Host or two (RFC 9112, 3.2), and for a transfer coding other than ``chunked`` (6.1)."""
    headers = visit.headers
    if (b"host" not in headers and http_version != "1.0") or visit.repeats(b"host"):
        raise FramingError("Host must come once")
    coding = headers.get(b"transfer-encoding")
    if coding is not None and (
        coding.lower() != b"chunked" or http_version == "1.0" or visit.repeats(b"transfer-encoding")
    ):
        raise FramingError("Transfer-Encoding must be chunked")
