"""Who may pass: API key, scope and rate limit, decided before a request's body is read."""

from collections.abc import Mapping
from typing import Any

from gateway.admission.api_keys import ApiKey, ApiKeys, Scope
from gateway.admission.rate_limit import RateLimiter
from gateway.admission.visit import Visit
from gateway.problems.errors import DatabaseAwayError, ForbiddenError, RateLimitedError, UnauthenticatedError
from gateway.proxies.visitors import name_of
from gateway.settings import Settings

# An overload must not look like a death: whoever restarts what does not answer would make it worse.
PROBES = frozenset({"/livez", "/readyz", "/healthz"})
"""Outside every limit."""

# What people and probes need most when something is wrong, and what costs nothing: never limited, never locked.
_OPEN = PROBES | {"/docs", "/redoc", "/openapi.json", "/asyncapi", "/asyncapi.json", "/favicon.ico", "/problems"}
_OPEN_BELOW = ("/static/", "/problems/", "/.well-known/")
_METRICS = "/metrics"
# Forms for people cannot carry a key; their pages say so and tell nothing while keys are required.
FORMS = frozenset({"/", "/status"})
"""Answer with pages, whatever they are refused with."""

_APPLICATIONS, _BATCH = "/applications", "/applications/batch"
_SCOPES: Mapping[tuple[str, str], Scope] = {
    ("GET", _METRICS): "operations",
    ("GET", _APPLICATIONS): "applications:read",
    ("POST", _APPLICATIONS): "applications:write",
    ("POST", _BATCH): "applications:write",
}


class Gate:
    """One for the process; ``keys`` is set once there is a database to read them from."""

    def __init__(self, settings: Settings, limiter: RateLimiter | None) -> None:
        self._auth_required = settings.auth_required
        self.limiter = limiter
        self.keys: ApiKeys | None = None

    async def admit(self, visit: Visit, scope: Mapping[str, Any]) -> None:
        """Name the visitor, charge it for one call and check its key; raises what the request is refused with."""
        path: str = scope["path"]
        if path in _OPEN or path.startswith(_OPEN_BELOW):
            return
        client = scope["client"]
        visit.client = name_of(client[0] if client else "local")
        key = None
        # Where no key is needed none is looked up: an invented one would cost a query each.
        text = _presented(visit.headers) if self._auth_required else None
        if text is not None:
            key = await self._key(visit, text)
        if path != _METRICS and (key is not None or visit.standing is None):
            await self._charge(visit)
        if self._auth_required and path not in FORMS:
            _check(key, _scope_of(scope["method"], path), presented=text is not None)

    async def still_admits(self, visit: Visit) -> bool:
        """Whether the key that came with a request for reading would pass now; nobody is charged."""
        text = _presented(visit.headers) if self._auth_required else None
        if text is None or self.keys is None:
            return not self._auth_required
        try:
            key = await self.keys.find(text)
        except DatabaseAwayError:
            return False
        return key is not None and "applications:read" in key.scopes

    async def _key(self, visit: Visit, text: str) -> ApiKey | None:
        """The valid key that came with the request; the visitor is then the key.

        A key that was not seen lately costs a query, so the address pays for the look-up: guessing keys is limited
        like everything else, and an unknown key is no visitor of its own.
        """
        if self.keys is None:
            return None
        fresh, key = self.keys.remembered(text)
        if not fresh:
            if key is None:
                await self._charge(visit)
            key = await self.keys.find(text)
        if key is not None:
            visit.client, visit.limit, visit.owner = f"key:{key.id}", key.limit, key.owner
        return key

    async def _charge(self, visit: Visit) -> None:
        limiter = self.limiter
        if limiter is None or not (limit := visit.limit or limiter.limit):
            return
        if limiter.local:
            standing = limiter.window.take(visit.client, 1, visit.limit)
        else:
            standing = await limiter.take(visit.client, 1, visit.limit)
        visit.note_standing(standing, limit)
        if not standing.granted:
            raise RateLimitedError(limit=limit, retry_after=await limiter.wait(visit.client, visit.limit))


def _presented(headers: Mapping[bytes, bytes]) -> str | None:
    """The text of the key in the request: ``Authorization: Bearer`` (RFC 6750) or ``X-API-Key``."""
    scheme, _, credentials = headers.get(b"authorization", b"").decode("latin-1").partition(" ")
    if scheme.lower() == "bearer" and credentials.strip():
        return credentials.strip()
    return headers.get(b"x-api-key", b"").decode("latin-1").strip() or None


def _scope_of(method: str, path: str) -> Scope | None:
    """What a call needs; None for what is no call: whoever has a key hears that it is none."""
    method = "GET" if method == "HEAD" else method
    if method == "GET" and path.startswith(f"{_APPLICATIONS}/") and path != _BATCH:
        return "applications:read"
    return _SCOPES.get((method, path))


def _check(key: ApiKey | None, scope: Scope | None, *, presented: bool) -> None:
    if key is None:
        raise UnauthenticatedError(presented=presented)
    if scope is not None and scope not in key.scopes:
        raise ForbiddenError(scope=scope)
