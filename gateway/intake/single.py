"""POST /applications: one application in, its 201 out. The ASGI front and the FastAPI route both answer with this."""

import re

from gateway.admission.visit import Header, Visit
from gateway.commit.submission import Accepted, KeyClaim, from_new
from gateway.commit.writer import Writer
from gateway.intake import body, idempotency, json_body
from gateway.intake.bodies import Bodies
from gateway.intake.turns import PART_BYTES
from gateway.intake.unpacking import unpacked
from gateway.problems.errors import KeyInvalidError
from gateway.settings import Settings

# W3C Trace Context, 3.2: version 00, no id all zeros.
_TRACEPARENT = re.compile(rb"00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}")

_ACCEPT = (body.JSON,)
_JSON_TYPE: Header = (b"content-type", body.JSON.encode())
_REPLAYED: Header = (b"idempotency-replayed", b"true")

# Where the id stands in an application's JSON, which begins {"id":"…
_ID = slice(7, 43)

Answer = tuple[int, list[Header], bytes]


async def submit_one(
    visit: Visit, receive: body.Receive, *, writer: Writer, bodies: Bodies, settings: Settings
) -> Answer:
    """Read, validate, store: returns once the application is committed, raises what it is answered otherwise."""
    headers = visit.headers
    if headers.get(b"content-type") != b"application/json" or b"content-encoding" in headers:
        body.check(headers, accept=_ACCEPT)
    limit = settings.body_max_bytes
    body.check_declared(headers.get(b"content-length"), limit=limit)
    if b"content-encoding" in headers and body.coding(headers):
        receive = unpacked(receive, limit=limit, turns=bodies.turns)
    raw = await body.read(receive, limit=limit, bodies=bodies)
    if len(raw) > PART_BYTES:
        await bodies.turns.next()
    new = json_body.new_application(raw)
    claim: KeyClaim | None = None
    if b"idempotency-key" in headers and (key := key_of(visit)):
        claim = KeyClaim(visit.client, key, settings.idempotency_hours * 3600)
    elif settings.deduplicate_seconds:
        claim = idempotency.of_content(new, seconds=settings.deduplicate_seconds, owner=visit.owner)
    trace = traceparent(headers.get(b"traceparent"))
    submission = from_new(new, new_id=writer.new_id, traceparent=trace, claim=claim, owner=visit.owner)
    return created(await writer.submit(submission), visit.root)


def created(accepted: Accepted, root: str) -> Answer:
    """201 with the application, or the first answer again, marked as such."""
    value = accepted.value
    place = b"/applications/" + value[_ID]
    if root:
        place = root.encode() + place
    answer = [
        _JSON_TYPE,
        (b"content-length", b"%d" % len(value)),
        (b"location", place),
        (b"link", b"<" + place + b'/status>; rel="status"'),
    ]
    if accepted.replayed:
        answer.append(_REPLAYED)
    return 201, answer, value


def accepted_id(accepted: Accepted) -> bytes:
    """The id of an accepted application, as text."""
    return accepted.value[_ID]


def traceparent(header: bytes | None) -> str | None:
    """The caller's trace if it is well formed."""
    return header.decode() if header and _TRACEPARENT.fullmatch(header) else None


def key_of(visit: Visit) -> str | None:
    """The idempotency key of the request, None without one; KeyInvalidError for a malformed or repeated header."""
    header = visit.headers.get(b"idempotency-key")
    if header is None:
        return None
    if visit.repeats(b"idempotency-key"):
        raise KeyInvalidError
    return idempotency.parse(header)
