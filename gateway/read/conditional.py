"""ETags and conditional requests (RFC 9110, 8.8.3 and 13.1.2)."""

import hashlib
import re

_TAG = re.compile(r'(?:W/)?("[\x21\x23-\x7e\x80-\xff]*")')


def etag(body: bytes) -> str:
    """A strong tag of the very bytes that are answered."""
    return f'"{hashlib.sha256(body).hexdigest()[:24]}"'


def none_match(header: str, tag: str) -> bool:
    """Whether ``If-None-Match`` lets the answer be sent: weak comparison, ``*`` stands for whatever exists."""
    if header.strip() == "*":
        return False
    return tag not in _TAG.findall(header)
