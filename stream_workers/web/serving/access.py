"""Who may look and who may change something: a token, as a Bearer header for programs and a signed cookie for people.

The cookie holds a time and its HMAC under the token, never the token: it needs no store, and holds on every worker.
"""

import hashlib
import hmac
import socket
import time
from collections.abc import Callable, Collection
from typing import Self
from urllib.parse import urlsplit

from aiohttp.web import Request, RequestKey, StreamResponse

from runtime.host_names import called, is_loopback
from stream_workers.errors import OpenBindError, PortError
from stream_workers.settings import Settings
from stream_workers.web.serving.guesses import Guesses

COOKIE = "headgate_session"
SESSION_SECONDS = 12 * 3600
# Whether the token of a request is right: judged once, so that one wrong token is one guess.
_JUDGED = RequestKey("judged", bool)


class Access:
    """``token`` None: everybody may look, nobody may change anything.

    ``trusted``: without a token names may be seen in full all the same, since nobody else's machine reaches this one.
    ``hosts``: the names by which the view may be opened; None: any, where a token guards it, else the loopback's.
    """

    def __init__(
        self,
        token: str | None,
        *,
        hosts: Collection[str] | None = None,
        trusted: bool = True,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._token = token
        self._trusted = trusted
        self._hosts = hosts
        self._clock = clock
        self._guesses = Guesses()

    @classmethod
    def of(cls, settings: Settings) -> Self:
        return cls(
            settings.web_token,
            hosts=_names(settings.worker_web_hosts),
            trusted=not settings.worker_web_open,
        )

    @property
    def needed(self) -> bool:
        """Whether there is a token at all."""
        return self._token is not None

    def called_right(self, request: Request) -> bool:
        """Whether the Host is a name of ours: a page of elsewhere can make its own name lead to this address."""
        name = called(request.headers.get("Host", ""))
        if self._hosts is not None:
            return name in self._hosts
        return self._token is not None or is_loopback(name)

    def too_many(self, request: Request) -> bool:
        """Whether so many wrong tokens came from this address that no other one is looked at for now."""
        return self._guesses.too_many(request.remote)

    def may_look(self, request: Request) -> bool:
        return self._token is None or self._has_token(request) or self._has_session(request)

    def may_see_names(self, request: Request) -> bool:
        """Whether what is personal may be seen in full: by whoever is known, or nobody can be who should not."""
        return self._trusted if self._token is None else self.may_look(request)

    def known_by(self, request: Request) -> str:
        """By what whoever asks is known, for the log."""
        if self._token is None:
            return "loopback"
        return "token" if self._has_token(request) else "session"

    def may_change(self, request: Request) -> bool:
        """Whether whoever asks is known and the request was not made by another site's page."""
        return self._token is not None and self.may_look(request) and same_origin(request)

    def accepts(self, request: Request, given: str) -> bool:
        """Whether this is the token; takes the same time whatever is given, and nothing is looked at after too many."""
        if self._token is None or self.too_many(request):
            return False
        right = hmac.compare_digest(_bytes(given), self._token.encode())
        if not right:
            self._guesses.wrong(request.remote)
        return right

    def sign_in(self, response: StreamResponse, *, secure: bool) -> None:
        """Give the reader a session; ``secure`` where the page came over TLS."""
        ends = str(int(self._clock()) + SESSION_SECONDS)
        response.set_cookie(
            COOKIE,
            f"{ends}.{self._signature(ends)}",
            max_age=SESSION_SECONDS,
            httponly=True,
            samesite="Lax",
            secure=secure,
            path="/",
        )

    def sign_out(self, response: StreamResponse) -> None:
        response.del_cookie(COOKIE, path="/")

    def _has_token(self, request: Request) -> bool:
        if _JUDGED not in request:
            scheme, _, given = request.headers.get("Authorization", "").partition(" ")
            request[_JUDGED] = scheme.lower() == "bearer" and self.accepts(request, given.strip())
        return request[_JUDGED]

    def _has_session(self, request: Request) -> bool:
        ends, _, signature = request.cookies.get(COOKIE, "").partition(".")
        if not (ends.isascii() and ends.isdigit() and len(ends) < 12):
            return False
        return hmac.compare_digest(_bytes(signature), self._signature(ends).encode()) and int(ends) > self._clock()

    def _signature(self, ends: str) -> str:
        return hmac.new((self._token or "").encode(), f"session until {ends}".encode(), hashlib.sha256).hexdigest()


def _bytes(given: str) -> bytes:
    """As it came: bytes that are no UTF-8 are wrong like any others, and no error."""
    return given.encode(errors="surrogateescape")


def refuse_open_bind(settings: Settings) -> None:
    """Names, applications and a button to send events again are nothing for a whole network; raises WorkerError."""
    host = settings.worker_web_host
    if settings.web_token is None and not settings.worker_web_open and not is_loopback(host):
        raise OpenBindError(host)


def refuse_taken_port(host: str, port: int) -> None:
    """Before the worker joins its group: it would take partitions, and give them up at once. Raises WorkerError."""
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as tried:
        tried.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            tried.bind((host, port))
        except OSError as error:
            raise PortError(host, port, error) from error


def _names(text: str | None) -> Collection[str] | None:
    """The names of a list with commas; None where nothing is set."""
    return None if text is None else frozenset(name.strip().strip("[]").lower() for name in text.split(","))


def same_origin(request: Request) -> bool:
    """Whether the browser says that this site's own page sent the request; programs say nothing."""
    if request.headers.get("Sec-Fetch-Site", "same-origin") not in {"same-origin", "none"}:
        return False
    origin = request.headers.get("Origin")
    return origin is None or urlsplit(origin).netloc == request.host
