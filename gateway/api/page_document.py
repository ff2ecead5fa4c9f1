"""One page of applications as it is answered: the body and the Link field (RFC 8288)."""

import math
from collections.abc import Iterator, Sequence

from pydantic_core import from_json, to_json

from contracts import value_of
from gateway.read.reads import Page
from gateway.read.search import DEPTH_MAX, Search


def written(page: Page, search: Search) -> tuple[bytes, bytes]:
    """The field that leads to the pages around this one, and the body."""
    links = ", ".join(f'<{address}>; rel="{relation}"' for relation, address in _links(page, search))
    return links.encode(), _body(page, search)


def below(root: str, links: bytes) -> bytes:
    """The same field where a proxy shows the gateway below a path. What is asked is encoded: it has no such bracket."""
    return links.replace(b"</", b"<%b/" % root.encode())


def _body(page: Page, search: Search) -> bytes:
    """The items as their 201 showed them, and where in the list they are."""
    rest = {
        "total": None if page.relation == "none" else page.total,
        "total_relation": page.relation,
        "page": None if search.cursor else search.page or 1,
        "size": search.size,
        "pages": None if search.cursor or page.relation == "none" else _pages(page, search),
        "next_cursor": page.next_cursor,
        "prev_cursor": page.prev_cursor,
    }
    shown = map(value_of, page.items) if search.fields is None else _picked(page, search.fields.split(","))
    return b'{"items":[' + b",".join(shown) + b"]," + to_json(rest)[1:]


def _picked(page: Page, names: Sequence[str]) -> Iterator[bytes]:
    """Of each item only these fields, as the whole item has them."""
    for item in page.items:
        whole = from_json(value_of(item))
        yield to_json({name: whole[name] for name in names})


def _pages(page: Page, search: Search) -> int:
    return math.ceil(page.total / search.size)


def _links(page: Page, search: Search) -> list[tuple[str, str]]:
    """A list by cursor goes on by cursor, one by page number by page number as far as those reach."""
    if search.cursor:
        around = (("prev", page.prev_cursor), ("next", page.next_cursor))
        beside = [(relation, _address(search, {"cursor": place})) for relation, place in around if place]
        return [("first", _address(search)), *beside]
    number = search.page or 1
    last = _pages(page, search)
    links = [("first", _address(search, {"page": "1"}))]
    if number > 1:
        before = min(number - 1, max(last, 1)) if page.relation == "exact" else number - 1
        links.append(("prev", _address(search, {"page": str(before)})))
    if page.next_cursor:
        deep = (number + 1) * search.size > DEPTH_MAX
        links.append(("next", _address(search, {"cursor": page.next_cursor} if deep else {"page": str(number + 1)})))
    if page.relation == "exact" and last:
        links.append(("last", _address(search, {"page": str(last)})))
    return links


def _address(search: Search, place: dict[str, str] | None = None) -> str:
    return f"/applications?{search.repeated}" + "".join(f"&{name}={value}" for name, value in (place or {}).items())
