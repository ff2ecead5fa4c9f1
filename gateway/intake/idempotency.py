"""Idempotency keys as the client sends them (IETF draft "The Idempotency-Key HTTP Header Field", version 07)."""

import hashlib
import json
import re
from uuid import UUID

from contracts import NewApplication, content_of
from gateway.commit.submission import KeyClaim
from gateway.problems.errors import KeyInvalidError

# A structured-field string (RFC 9651, 3.3.3), or the same bare, as most clients send it: then without spaces.
_QUOTED = r'"(?:[ !#-\[\]-~]|\\["\\]){1,255}"'
_BARE = r"[!#-~][!-~]{0,254}"
PATTERN = f"^(?:{_QUOTED}|{_BARE})$"
"""What a key looks like, as OpenAPI says it too."""

_KEY = re.compile(PATTERN.encode())
_ESCAPED = re.compile(rb'\\(["\\])')

_CONTENT = "content:"


def parse(header: bytes) -> str:
    """The key in the header's value; KeyInvalidError for anything but 1 to 255 printable ASCII characters."""
    value = header.strip(b" \t")
    if not _KEY.fullmatch(value):
        raise KeyInvalidError
    key = _ESCAPED.sub(rb"\1", value[1:-1]) if value.startswith(b'"') else value
    return key.decode("ascii")


def of_content(new: NewApplication, *, seconds: float, owner: UUID | None = None) -> KeyClaim:
    """The claim by which the same name and description within ``seconds`` are one application, whoever sends them.

    What an ``owner`` sends is compared with its own alone: it is to learn of no other.
    """
    digest = hashlib.sha256(json.dumps(content_of(new), default=str).encode()).hexdigest()
    return KeyClaim("", f"{_CONTENT}{owner}:{digest}" if owner else _CONTENT + digest, seconds)
