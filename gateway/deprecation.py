"""Calls that will go: what announces it in their answers (RFC 9745 and RFC 8594), in one table.

docs/stability.md says when a call may stand here. Nothing does today, and then nothing is looked for.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from email.utils import format_datetime

Header = tuple[bytes, bytes]
Call = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Deprecation:
    """Since when a call should not be used, when it will be gone, and the page that says what replaces it."""

    since: datetime
    sunset: datetime
    page: str

    def fields(self) -> list[Header]:
        """The header fields of its answers."""
        return [
            (b"deprecation", b"@%d" % self.since.timestamp()),
            (b"sunset", format_datetime(self.sunset, usegmt=True).encode()),
            (b"link", f'<{self.page}>; rel="deprecation"'.encode()),
        ]


DEPRECATED: Mapping[Call, Deprecation] = {}
"""By method and route, as metrics name them: ``("GET", "/applications/{id}")``."""
