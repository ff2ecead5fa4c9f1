"""POST /applications/batch: many applications in, one result for each of them out, in order.

    created    stored now
    duplicate  stored before under the same idempotency key (or content); the id is the first one's
    invalid    wrong, and will be wrong again
    retry      nothing wrong with it: send it again after ``retry_after`` seconds

Nothing is stored before the whole body has been read; then each chunk is one transaction.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from functools import partial

from pydantic_core import to_json

from contracts import content_of
from gateway.admission.rate_limit import RateLimiter
from gateway.admission.visit import Header, Visit
from gateway.commit.submission import Accepted, KeyClaim, Submission, from_new
from gateway.commit.writer import Writer
from gateway.intake import atomic_batch, batch_items, body, idempotency
from gateway.intake.batch_items import BatchItem, Invalid, Item
from gateway.intake.bodies import Bodies, Share
from gateway.intake.single import Answer, accepted_id, key_of, traceparent
from gateway.intake.turns import Turns
from gateway.intake.unpacking import unpacked
from gateway.problems import document
from gateway.problems.errors import GatewayError, KeyReusedError, RateLimitedError, UnavailableError
from gateway.settings import Settings

ACCEPT = (body.JSON, *body.LINES)

Outcome = Accepted | GatewayError
Later = Callable[[], Awaitable[Outcome]]


async def submit_batch(
    visit: Visit,
    receive: body.Receive,
    *,
    writer: Writer,
    limiter: RateLimiter | None,
    bodies: Bodies,
    settings: Settings,
    atomic: bool = False,
) -> Answer:
    """Read, charge, store. Raises for a body that is refused as a whole, and when nothing at all could be stored.

    ``atomic``: all of it is stored, or what is wrong with any of it is raised.
    """
    with bodies.share() as share:
        items = await _items(visit, receive, share, turns=bodies.turns, settings=settings)
        if atomic:
            return await submit_atomic(visit, items, writer=writer, limiter=limiter, settings=settings)
        return await _submit_items(visit, items, writer=writer, limiter=limiter, settings=settings)


async def _submit_items(
    visit: Visit, items: list[Item], *, writer: Writer, limiter: RateLimiter | None, settings: Settings
) -> Answer:
    keys = _keys(visit, items, settings)
    granted, refusal = await _charge(visit, limiter, len(items))
    outcomes: list[Outcome] = []
    firsts = _Firsts()
    for start in range(0, granted, settings.commit_batch_max):
        end = min(start + settings.commit_batch_max, granted)
        outcomes += await _store(visit, list(zip(items[start:end], keys[start:end], strict=True)), writer, firsts)
    if refusal:
        outcomes += [refusal] * (len(items) - granted)
    _raise_if_all_wait(outcomes)
    return _answer(outcomes, visit)


async def _items(visit: Visit, receive: body.Receive, share: Share, *, turns: Turns, settings: Settings) -> list[Item]:
    media_type = body.check(visit.headers, accept=ACCEPT)
    read = batch_items.from_array if media_type == body.JSON else batch_items.from_lines
    limit = settings.batch_body_max_bytes
    body.check_declared(visit.headers.get(b"content-length"), limit=limit)
    if body.coding(visit.headers):
        receive = unpacked(receive, limit=limit, turns=turns)
    return await read(body.pieces(receive, limit=limit, share=share), limit=settings.batch_max_items, turns=turns)


def _keys(visit: Visit, items: Sequence[Item], settings: Settings) -> list[KeyClaim | None]:
    """Each item's claim: of its own key, else of the header's key and its place, else of its content if that is on."""
    seconds = settings.idempotency_hours * 3600
    header = key_of(visit)
    claims: list[KeyClaim | None] = []
    for place, item in enumerate(items):
        claim = None
        if not isinstance(item, Invalid):  # asked of a plain class: a model's own check is many times slower
            key = item.idempotency_key or (f"{header}#{place}" if header else None)
            if key is not None:
                claim = KeyClaim(visit.client, key, seconds)
            elif settings.deduplicate_seconds:
                claim = idempotency.of_content(item, seconds=settings.deduplicate_seconds, owner=visit.owner)
        claims.append(claim)
    return claims


async def _charge(visit: Visit, limiter: RateLimiter | None, count: int) -> tuple[int, RateLimitedError | None]:
    """How many items are granted; the first one was charged when the request came in."""
    if limiter is None or count <= 1 or not (limit := visit.limit or limiter.limit):
        return count, None
    standing = await limiter.take(visit.client, count - 1, visit.limit)
    visit.note_standing(standing, limit)
    if standing.granted == count - 1:
        return count, None
    seconds = await limiter.wait(visit.client, visit.limit)
    return standing.granted + 1, RateLimitedError(limit=limit, retry_after=seconds)


async def submit_atomic(
    visit: Visit, items: Sequence[Item], *, writer: Writer, limiter: RateLimiter | None, settings: Settings
) -> Answer:
    """One transaction for all of them; raises what is wrong with any of them, and then nothing was stored."""
    new = atomic_batch.judged(items, limit=settings.commit_batch_max)
    granted, refusal = await _charge(visit, limiter, len(items))
    if refusal is not None and granted < len(items):
        raise refusal
    claims = atomic_batch.claims(new, key=key_of(visit), client=visit.client, seconds=settings.idempotency_hours * 3600)
    trace = traceparent(visit.headers.get(b"traceparent"))
    submissions = [
        from_new(item, new_id=writer.new_id, traceparent=trace, claim=claim, owner=visit.owner)
        for item, claim in zip(new, claims, strict=True)
    ]
    if submissions:
        writer.submit_group(submissions)
    outcomes = [await _settled(submission.done) for submission in submissions]
    for outcome in outcomes:
        if isinstance(outcome, GatewayError):
            raise outcome
    return _answer(outcomes, visit)


class _Firsts:
    """The first item of this batch under each key: a second one shares its outcome instead of waiting for it."""

    def __init__(self) -> None:
        self._items: dict[tuple[str, str], tuple[BatchItem, asyncio.Future[Accepted]]] = {}

    def share(self, item: BatchItem, claim: KeyClaim | None, done: asyncio.Future[Accepted]) -> Later | None:
        """None for the first item under a key, whose outcome will be ``done``; else what the later one is answered."""
        if claim is None:
            return None
        place = (claim.client, claim.key)
        first = self._items.setdefault(place, (item, done))
        return None if first[1] is done else partial(_repeated, item, *first)


async def _repeated(item: BatchItem, first: BatchItem, done: asyncio.Future[Accepted]) -> Outcome:
    if content_of(item) != content_of(first):
        return KeyReusedError()
    outcome = await _settled(done)
    return Accepted(outcome.value, replayed=True) if isinstance(outcome, Accepted) else outcome


async def _store(
    visit: Visit, items: Sequence[tuple[Item, KeyClaim | None]], writer: Writer, firsts: _Firsts
) -> list[Outcome]:
    """One chunk, one transaction; the outcome of each item."""
    trace = traceparent(visit.headers.get(b"traceparent"))
    loop = asyncio.get_running_loop()
    submissions: list[Submission] = []
    outcomes: list[Later] = []
    for item, claim in items:
        if isinstance(item, Invalid):
            outcomes.append(partial(_known, item.error))
            continue
        submission = from_new(item, new_id=writer.new_id, traceparent=trace, claim=claim, owner=visit.owner, loop=loop)
        shared = firsts.share(item, claim, submission.done)
        if shared is None:
            submissions.append(submission)
        outcomes.append(shared or partial(_settled, submission.done))
    _submit(submissions, writer)
    return [await outcome() for outcome in outcomes]


def _submit(submissions: Sequence[Submission], writer: Writer) -> None:
    try:
        writer.submit_all(submissions)
    except GatewayError as error:
        for submission in submissions:
            submission.answer(error)


async def _known(error: GatewayError) -> Outcome:
    return error


async def _settled(future: Awaitable[Accepted]) -> Outcome:
    try:
        return await future
    except GatewayError as error:
        return error


def _raise_if_all_wait(outcomes: Sequence[Outcome]) -> None:
    """A batch of which nothing was stored because the service cannot store is answered as one request would be."""
    if outcomes and all(isinstance(outcome, UnavailableError) for outcome in outcomes):
        first = outcomes[0]
        assert isinstance(first, UnavailableError)  # noqa: S101 -- for the type checker
        raise first


def _answer(outcomes: Sequence[Outcome], visit: Visit) -> Answer:
    counts = dict.fromkeys(("created", "duplicate", "invalid", "retry"), 0)
    results = []
    root = visit.root.encode()
    for outcome in outcomes:
        if isinstance(outcome, Accepted):
            status = "duplicate" if outcome.replayed else "created"
            id_ = accepted_id(outcome)
            told = status.encode(), id_, root, id_
            results.append(b'{"status":"%b","id":"%b","location":"%b/applications/%b"}' % told)
        else:
            status = "invalid" if outcome.retry_after is None else "retry"
            results.append(to_json(_refused(status, outcome, visit)))
        counts[status] += 1
    value = b'{"results":[' + b",".join(results) + b'],"counts":' + to_json(counts) + b"}"
    return 200, _headers(outcomes, len(value)), value


def _headers(outcomes: Sequence[Outcome], length: int) -> list[Header]:
    headers: list[Header] = [(b"content-type", body.JSON.encode()), (b"content-length", b"%d" % length)]
    waits = [outcome.retry_after for outcome in outcomes if isinstance(outcome, GatewayError) and outcome.retry_after]
    if waits:
        headers.append((b"retry-after", b"%d" % max(waits)))
    return headers


def _refused(status: str, error: GatewayError, visit: Visit) -> dict[str, object]:
    problem = document.document(error, language=visit.language, request_id=visit.request_id, public=visit.public)
    del problem["request_id"]
    result: dict[str, object] = {"status": status, "problem": problem}
    if error.retry_after is not None:
        result["retry_after"] = error.retry_after
    return result
