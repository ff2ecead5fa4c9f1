"""One request past the gate: who it is, what it is called and what goes with whatever it is answered."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from uuid import UUID

from opentelemetry.trace import Span

from gateway.admission.rate_limit import policy_header, standing_header
from gateway.admission.window import Standing
from gateway.problems.errors import GatewayError
from gateway.problems.languages import Language, preferred

Header = tuple[bytes, bytes]

CLOSE: Header = (b"connection", b"close")
"""In an answer after which the connection ends."""


@dataclass(slots=True)
class Visit:
    """``client`` names the visitor for the rate limit and is the scope of its idempotency keys; ``limit`` is the
    visitor's own, 0 for everybody's; ``owner``: whose applications it writes and reads, None for one that reads all.

    ``status`` is what was answered, 0 before that; ``span`` is there while traces are on; ``refusal`` is what a page
    is to say of why the request does not pass; ``head_only`` says that no body is sent, whatever it is.
    ``public`` is the address before problem types, if one is set.
    ``left`` is called once the client sends nothing more, by an answer that would not end by itself.
    ``root`` stands before every path that the answer names; ``called`` is the name that the client used, where a
    trusted proxy says it. ``route`` is the template of the path, where whoever answers knows it.
    """

    request_id: str
    headers: dict[bytes, bytes]
    raw_headers: Sequence[Header] = ()
    client: str = ""
    limit: int = 0
    owner: UUID | None = None
    status: int = 0
    answer_headers: list[Header] = field(default_factory=list)
    standing: Standing | None = None
    began: float = field(default_factory=time.perf_counter)
    span: Span | None = None
    refusal: GatewayError | None = None
    head_only: bool = False
    left: Callable[[], object] | None = None
    public: str = ""
    root: str = ""
    called: str = ""
    route: str = ""

    @property
    def language(self) -> Language:
        return preferred(self.headers.get(b"accept-language", b"").decode("latin-1"))

    def repeats(self, name: bytes) -> bool:
        """Whether a header came more than once."""
        return sum(header == name for header, _ in self.raw_headers) > 1

    def note_standing(self, standing: Standing, limit: int) -> None:
        """Say in the answer how much of the visitor's budget is left, in place of what was said before."""
        if self.standing is not None:
            self.answer_headers = [header for header in self.answer_headers if not header[0].startswith(b"ratelimit")]
        self.standing = standing
        self.answer_headers += (b"ratelimit-policy", policy_header(limit)), (b"ratelimit", standing_header(standing))
