"""Tokens for OAUTHBEARER: from a token server, from a file that the platform renews, or signed for Amazon MSK."""

import asyncio
import base64
import json
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from aiokafka.errors import KafkaConnectionError

from runtime.secrets import Secret

ANSWER_SECONDS = 5.0
# A token is renewed when so much of its life is over; where that fails, it serves to its end.
RENEWED_AFTER = 0.8
_USUAL_SECONDS = 300.0
_ANSWER_BYTES = 256 * 1024


@dataclass(frozen=True)
class Token:
    """``seconds``: how long it lives from now on."""

    text: str = field(repr=False)
    seconds: float


class TokenError(KafkaConnectionError):
    """No token can be had: for whoever needs one, Kafka is away."""


class Source(Protocol):
    """Where tokens come from; may take its time, and raises where there is none."""

    def fetch(self) -> Token: ...


@dataclass(frozen=True)
class ClientCredentials:
    """RFC 6749, section 4.4."""

    url: str
    client_id: str
    secret: Secret
    scope: str | None = None
    audience: str | None = None

    def fetch(self) -> Token:
        wanted = {"grant_type": "client_credentials", "scope": self.scope, "audience": self.audience}
        body = urllib.parse.urlencode({name: value for name, value in wanted.items() if value}).encode()
        request = urllib.request.Request(self.url, body, {"Authorization": self._basic()})  # noqa: S310 -- http or https
        try:
            with urllib.request.urlopen(request, timeout=ANSWER_SECONDS) as answer:  # noqa: S310 -- the same
                found = json.loads(answer.read(_ANSWER_BYTES))
        except urllib.error.HTTPError as error:
            error.close()
            raise
        if not isinstance(found, dict) or not isinstance(found.get("access_token"), str):
            raise ValueError("its answer has no access_token")  # noqa: TRY004 -- of whatever type
        return Token(found["access_token"], float(found.get("expires_in") or _USUAL_SECONDS))

    def _basic(self) -> str:
        """RFC 6749, section 2.3.1: both parts are encoded as in a form."""
        parts = (urllib.parse.quote_plus(part) for part in (self.client_id, self.secret.read()))
        return "Basic " + base64.b64encode(":".join(parts).encode()).decode()


@dataclass(frozen=True)
class TokenFile:
    """Read anew each time: whoever renews it (Kubernetes does) replaces it before it ends."""

    path: Path

    def fetch(self) -> Token:
        return Token(Secret(file=self.path).read().strip(), 0.0)


@dataclass(frozen=True)
class AmazonMsk:
    """Signed with the credentials that the AWS SDK finds; needs the extra ``msk``."""

    region: str

    def fetch(self) -> Token:
        from aws_msk_iam_sasl_signer import MSKAuthTokenProvider

        text, ends_ms = MSKAuthTokenProvider.generate_auth_token(self.region)
        return Token(text, ends_ms / 1000 - time.time())


class Tokens:
    """The token of now, from one source; renewed before it ends, once for all threads that ask."""

    def __init__(self, source: Source, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._source, self._clock = source, clock
        self._text, self._renew_at, self._ends_at = "", 0.0, 0.0
        self._fetching = threading.Lock()

    async def token(self) -> str:
        """TokenError where none can be had and the last one is over."""
        if self._clock() >= self._renew_at:
            await asyncio.to_thread(self._renew)
        return self._text

    def _renew(self) -> None:
        with self._fetching:
            asked = self._clock()
            if asked < self._renew_at:
                return  # somebody else has fetched it meanwhile
            try:
                token = self._source.fetch()
            except Exception as error:
                if asked >= self._ends_at:
                    raise TokenError(f"no token for Kafka: {error}") from error
                return
            self._text = token.text
            self._renew_at, self._ends_at = asked + RENEWED_AFTER * token.seconds, asked + token.seconds
