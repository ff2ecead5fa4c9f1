"""Cross-origin requests from browsers (Fetch standard, 3.3), for the origins that are listed and no others."""

from collections.abc import Sequence

from gateway.admission.visit import Header, Visit

_EXPOSED = (
    b"Allow, Deprecation, ETag, Idempotency-Replayed, Link, Location, RateLimit, RateLimit-Policy, Retry-After, "
    b"Sunset, WWW-Authenticate, X-Request-ID"
)
_ALLOWED_HEADERS = (
    b"Authorization, Cache-Control, Content-Type, Idempotency-Key, If-None-Match, Last-Event-ID, X-API-Key, "
    b"X-Request-ID, traceparent"
)
_PREFLIGHT: Sequence[Header] = (
    (b"access-control-allow-methods", b"GET, HEAD, POST"),
    (b"access-control-allow-headers", _ALLOWED_HEADERS),
    (b"access-control-max-age", b"600"),
    (b"content-length", b"0"),
)


class Cors:
    """The allow-list. Without one no header is sent, and browsers refuse."""

    def __init__(self, origins: Sequence[str]) -> None:
        self._origins = frozenset(origin.encode() for origin in origins)
        self.always: Sequence[Header] = ((b"vary", b"Origin"),) if origins else ()
        """What every answer says, also to who has no origin: a cache must not hand it to who has one."""

    def enter(self, visit: Visit, method: str) -> bool:
        """Note in the answer what the origin may; whether this is a preflight that is answered at once."""
        origin = visit.headers[b"origin"]
        if origin not in self._origins:
            return False
        visit.answer_headers += [
            (b"access-control-allow-origin", origin),
            (b"access-control-expose-headers", _EXPOSED),
        ]
        return method == "OPTIONS" and b"access-control-request-method" in visit.headers

    def preflight(self) -> tuple[int, list[Header], bytes]:
        return 204, list(_PREFLIGHT), b""
