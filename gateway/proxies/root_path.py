"""ROOT_PATH: the path below which a proxy shows the gateway. It may take it off before it asks, or leave it there."""

import re
from collections.abc import MutableMapping
from typing import Any

_FORM = re.compile(r"(/[A-Za-z0-9._~-]+)+")
# A path of ours in front of ours could be either.
_OURS = frozenset(
    {"applications", "asyncapi", "asyncapi.json", "docs", "favicon.ico", "healthz", "livez", "metrics", "openapi.json"}
    | {"problems", "readyz", "redoc", "static", "status", "v1", ".well-known"}
)


def checked_root(path: str) -> str:
    """Without a slash at its end; ValueError for what cannot be told from the gateway's own paths."""
    path = path.rstrip("/")
    if path and (not _FORM.fullmatch(path) or {".", ".."} & set(path.split("/"))):
        raise ValueError("must look like /headgate or /internal/headgate")
    if path and path.split("/")[1] in _OURS:
        raise ValueError(f"must not begin with /{path.split('/')[1]}, which is a path of the gateway's own")
    return path


def taken_off(root: str, scope: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """The request as if it had come without the root in front of its path; one without it stays as it is."""
    path: str = scope["path"]
    if path != root and not path.startswith(f"{root}/"):
        return scope
    return {**scope, "path": path[len(root) :] or "/"}


def put_back(root: str, scope: MutableMapping[str, Any]) -> dict[str, Any]:
    """The same for an ASGI application, which is told how much of the path is the root."""
    return {**scope, "path": root + scope["path"], "root_path": root}
