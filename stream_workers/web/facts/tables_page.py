"""Tables: what each agent keeps, key by key, as the changelog has it."""

from collections.abc import Iterator, Mapping
from typing import Any

import orjson

from contracts import Topics
from stream_workers.books.shelf import BOOKS
from stream_workers.exact.changelog import Newest
from stream_workers.kinds import KINDS, OF_TABLE, Kind
from stream_workers.web.facts.names import shown_state
from stream_workers.web.look.board import Look

FOUND_MAX = 300


def tables(look: Look, *, topics: Topics, query: str, names: bool) -> dict[str, Any]:
    """Every table with its keys; with a query, also the paths whose name or value contains it."""
    listed = [
        {
            "table": kind.table,
            "changelog": kind.changelog(topics),
            "complete": look.complete.get(kind.name, False),
            "keys": _keys(look, kind),
        }
        for kind in KINDS.values()
    ]
    found = [
        {"table": name, "key": key, "path": path, "value": value}
        for name in (OF_TABLE if query else ())
        for key, newest in sorted(values_of(look, name).items())
        for path, value in matching(shown_state(orjson.loads(newest.value), names=names), query)
    ]
    return {
        "query": query,
        "tables": listed,
        "found": found[:FOUND_MAX],
        "found_in_all": len(found) if query else None,
    }


def entry(look: Look, *, table: str, key: int, query: str, names: bool) -> dict[str, Any] | None:
    """One value as JSON and as paths, or None if there is no such key."""
    newest = values_of(look, table).get(key)
    if newest is None:
        return None
    value = shown_state(orjson.loads(newest.value), names=names)
    paths = matching(value, query)
    return {
        "table": table,
        "key": key,
        "query": query,
        "seen_at": newest.seen_at,
        "bytes": len(newest.value),
        "value": value,
        "paths": [{"path": path, "value": value} for path, value in paths[:FOUND_MAX]],
        "paths_in_all": len(paths),
    }


def values_of(look: Look, table: str) -> Mapping[int, Newest]:
    """The newest value of each key; empty for a table that is not there."""
    kind = OF_TABLE.get(table)
    return look.values.get(kind.name, {}) if kind else {}


def matching(state: Mapping[str, Any], query: str) -> list[tuple[str, Any]]:
    """The paths of a state whose name or content contains the query, in any case."""
    wanted = query.casefold()
    return [
        (path, value)
        for path, value in flattened(state)
        if wanted in path.casefold() or wanted in str(value).casefold()
    ]


def flattened(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Every leaf of a JSON value with its path, dots between the names."""
    if isinstance(value, Mapping):
        for name, inner in value.items():
            yield from flattened(inner, f"{path}.{name}" if path else name)
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from flattened(inner, f"{path}[{index}]")
    else:
        yield path, value


def _keys(look: Look, kind: Kind) -> list[dict[str, Any]]:
    rows = []
    for key, newest in sorted(values_of(look, kind.table).items()):
        state = BOOKS[kind.name].decode(newest.value)
        rows.append(
            {
                "key": key,
                "last_offset": state.last_offset,
                "booked": state.taken,
                "edition": state.edition,
                "owner": state.owner,
                "bytes": len(newest.value),
                "seen_at": newest.seen_at,
            }
        )
    return rows
