"""Idempotency keys as the client sends them (IETF draft "The Idempotency-Key HTTP Header Field", version 07)."""

import hashlib
import re

from contracts import NewApplication, content_of
from gateway.commit.submission import KeyClaim
from gateway.problems.errors import KeyInvalidError

# A structured-field string (RFC 9651, 3.3.3), or the same bare, as most clients send it: then without spaces.
_QUOTED = re.compile(rb'"((?:[\x20\x21\x23-\x5b\x5d-\x7e]|\\["\\]){1,510})"')
_BARE = re.compile(rb"[\x21\x23-\x7e][\x21-\x7e]{0,254}")
_LENGTH_MAX = 255

_CONTENT = "content:"


def parse(header: bytes) -> str:
    """The key in the header's value; KeyInvalidError for anything but 1 to 255 printable ASCII characters."""
    value = header.strip(b" \t")
    if quoted := _QUOTED.fullmatch(value):
        key = re.sub(rb'\\(["\\])', rb"\1", quoted[1])
    elif _BARE.fullmatch(value):
        key = value
    else:
        raise KeyInvalidError
    if len(key) > _LENGTH_MAX:
        raise KeyInvalidError
    return key.decode("ascii")


def of_content(new: NewApplication, *, seconds: float) -> KeyClaim:
    """The claim by which the same name and description within ``seconds`` are one application, whoever sends them."""
    digest = hashlib.sha256("\0".join(map(str, content_of(new))).encode()).hexdigest()
    return KeyClaim("", _CONTENT + digest, seconds)
