"""Everything that the gateway answers instead of success, as one tree.

GatewayError
├── QueueFullError       503  more waits for a commit than is allowed
├── DatabaseAwayError    503  no commit within the deadline, or the outcome of one is not known yet
├── DrainingError        503  the process is stopping
├── RefusedError         422  PostgreSQL refused this row, and this row alone
├── KeyInFlightError     409  the first request with this idempotency key has not been answered yet
└── KeyReusedError       422  this idempotency key came with another body before
"""

from typing import ClassVar


class GatewayError(Exception):
    """An answer other than success: ``status`` is HTTP's, ``code`` the stable last part of the problem's ``type``."""

    status: ClassVar[int] = 500
    code: ClassVar[str] = "internal-error"
    retry_after: int | None = None


class UnavailableError(GatewayError):
    """Come again: nothing is wrong with the request. ``retry_after`` is in whole seconds."""

    status: ClassVar[int] = 503

    def __init__(self, detail: str = "", retry_after: int = 1) -> None:
        super().__init__(detail)
        self.retry_after = retry_after


class QueueFullError(UnavailableError):
    """Too many applications wait for a commit."""

    code: ClassVar[str] = "queue-full"


class DatabaseAwayError(UnavailableError):
    """The database did not commit within the deadline."""

    code: ClassVar[str] = "database-unavailable"


class DrainingError(UnavailableError):
    """The gateway is stopping."""

    code: ClassVar[str] = "draining"


class RefusedError(GatewayError):
    """PostgreSQL refused the row for what it contains."""

    status: ClassVar[int] = 422
    code: ClassVar[str] = "refused"


class KeyInFlightError(GatewayError):
    """The first request with this idempotency key is still under way."""

    status: ClassVar[int] = 409
    code: ClassVar[str] = "idempotency-key-in-flight"
    retry_after: int | None = 1


class KeyReusedError(GatewayError):
    """This idempotency key was used with another body."""

    status: ClassVar[int] = 422
    code: ClassVar[str] = "idempotency-key-reused"
