"""GET /applications and GET /applications/{id}: the ASGI front and the FastAPI routes both answer with this.

The front takes what is asked as almost everybody asks it; whatever else, and whatever is wrong, goes through FastAPI.
"""

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any
from urllib.parse import parse_qsl
from uuid import UUID

from pydantic import ValidationError as PydanticError

from gateway.admission.visit import Header, Visit
from gateway.api import page_document
from gateway.database.ids import id_of
from gateway.intake.body import JSON
from gateway.intake.single import Answer
from gateway.observability.metrics import ONE_APPLICATION
from gateway.problems.errors import NotFoundError
from gateway.read import forms
from gateway.read.first_answer import first_of
from gateway.read.search import Search
from gateway.service import Gateway

_LIST = "/applications"
_ONE = re.compile(r"/applications/([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})")
_JSON_TYPE: Header = (b"content-type", JSON.encode())
_NEVER: Header = (b"cache-control", b"no-store")
_FOR_A_MINUTE: Header = (b"cache-control", b"private, max-age=60")
# A program may have several keys and one cache: what one of them may read, another may not.
_ASKED_AGAIN: Header = (b"cache-control", b"private, no-cache")
# Longer questions are not worth being remembered.
_QUERY_BYTES = 256


async def answer(visit: Visit, scope: Mapping[str, Any], *, gateway: Gateway) -> Answer | None:
    """The answer to a plain read; None for every other request."""
    path: str = scope["path"]
    if path == _LIST:
        query: bytes = scope["query_string"]
        search = _search_of(query) if len(query) <= _QUERY_BYTES else None
        return await page(visit, search, gateway=gateway) if search else None
    found = _ONE.fullmatch(path)
    if found is None:
        return None
    visit.route = ONE_APPLICATION
    return await one(visit, id_of(found[1]), gateway=gateway)


@lru_cache(1024)
def _search_of(query: bytes) -> Search | None:
    """What a right query asks for; None for one that FastAPI is to judge. A search is never changed, so it is kept."""
    pairs = parse_qsl(query.decode("latin-1"), keep_blank_values=True)
    given: dict[str, Any] = dict(pairs)
    try:
        return Search.model_validate(given) if len(given) == len(pairs) else None
    except PydanticError:
        return None


async def one(visit: Visit, id: UUID, *, gateway: Gateway) -> Answer:  # noqa: A002 -- the field's name
    """As its 201 showed it, or 304 where the client has it already."""
    value = await first_of(gateway.reads, gateway.replica, lambda reads: reads.one(id, visit.owner))
    if value is None:
        raise NotFoundError
    varies, packs = _forms_of(value, visit)
    tag = forms.etag(value, packed=packs)
    kept = _FOR_A_MINUTE if visit.owner is None else _ASKED_AGAIN
    headers = [(b"etag", tag.encode()), kept, *varies]
    asked = visit.headers.get(b"if-none-match")
    if asked is not None and not forms.none_match(asked.decode("latin-1"), tag):
        return 304, headers, b""
    return await _packed(headers, value) if packs else _whole(headers, value)


async def page(visit: Visit, search: Search, *, gateway: Gateway) -> Answer:
    """One page of the list, with links to those around it."""
    search.check()
    search = search.of(visit.owner)
    fresh = b"no-cache" in visit.headers.get(b"cache-control", b"").lower()
    replica = None if fresh else gateway.replica
    links, value = await first_of(
        gateway.reads, replica, lambda reads: reads.written(search, page_document.written, anew=fresh)
    )
    if visit.root:
        links = page_document.below(visit.root, links)
    varies, packs = _forms_of(value, visit)
    headers = [(b"link", links), _NEVER, *varies]
    return await _packed(headers, value) if packs else _whole(headers, value)


def _forms_of(value: bytes, visit: Visit) -> tuple[list[Header], bool]:
    """What says that there are two forms of it, where there are, and whether the packed one is asked for."""
    if len(value) <= forms.LEAST_BYTES:
        return [], False
    return [forms.VARIES], forms.accepts(visit.headers.get(b"accept-encoding"))


async def _packed(headers: list[Header], value: bytes) -> Answer:
    return _whole([*headers, forms.PACKED], await forms.packed(value))


def _whole(headers: list[Header], value: bytes) -> Answer:
    return 200, [*headers, (b"content-length", b"%d" % len(value)), _JSON_TYPE], value
