"""Everything that the gateway answers instead of success, as one tree.

    GatewayError
    ├── UnavailableError         503  come again: nothing is wrong with the request
    │   ├── QueueFullError            more waits for a commit than is allowed
    │   ├── DatabaseAwayError         no commit within the deadline, or the outcome of one is not known yet
    │   ├── DrainingError             the process is stopping
    │   ├── OverloadedError           too many requests are being answered
    │   └── StreamsFullError          as many streams and exports are open as are allowed
    ├── RefusedError             422  PostgreSQL refused this row, and this row alone
    ├── KeyInFlightError         409  the first request with this idempotency key has not been answered yet
    ├── KeyReusedError           422  this idempotency key came with another body before
    ├── RateLimitedError         429  this visitor has used up its budget
    └── RequestError             400  the request is wrong, and will be wrong again
        ├── FramingError         400  no Host or two, or a transfer coding other than chunked
        ├── AddressError         400  the address has a character that must be percent-encoded
        ├── MalformedJsonError   400  the body is no JSON (RFC 8259)
        ├── MalformedEncodingError 400  the body is no gzip (RFC 1952), though it says so
        ├── MalformedFormError   400  the body is no form that a browser would send
        ├── RepeatedMemberError  400  an object of the body has the same member twice
        ├── KeyInvalidError      400  the idempotency key is not of the form that the draft asks for
        ├── CursorInvalidError   400  a cursor that this gateway did not make, or made for other filters
        ├── UnauthenticatedError 401  no API key, or one that is not valid
        ├── ForbiddenError       403  the API key has not the scope that this call needs
        ├── CrossSiteError       403  the form was sent from another site
        ├── NotFoundError        404  there is nothing at this address
        ├── MethodError          405  this address does not answer this method
        ├── TooSlowError         408  the request did not arrive in time
        ├── BodyTooLargeError    413  the body is larger than allowed
        ├── BatchTooLargeError   413  the batch has more items than allowed
        ├── QueryTooLongError    414  the query of the address is longer than any call takes
        ├── MediaTypeError       415  the body is of another media type
        ├── EncodingError        415  the body is packed with something else than gzip
        ├── MisdirectedError     421  the gateway is called by a name that is none of its own
        ├── HeadTooLargeError    431  request line and headers are larger than allowed
        ├── ValidationError      422  fields or parameters break the rules; ``violations`` names each
        ├── PageTooDeepError     422  a page that only a cursor reaches
        └── SearchTooBroadError  422  the search did not finish in its time

The texts for people, in every language, are in problem_texts.toml under the same codes.
"""

from collections.abc import Sequence
from typing import ClassVar

from gateway.problems.violations import Violation

_CHALLENGE = 'Bearer realm="headgate"'


class GatewayError(Exception):
    """An answer other than success: ``status`` is HTTP's, ``code`` the stable last part of the problem's ``type``.

    ``params`` fill the text of the problem; ``headers`` go with the answer; the message itself is for the log alone.
    """

    status: ClassVar[int] = 500
    code: ClassVar[str] = "internal-error"
    retry_after: int | None = None
    headers: Sequence[tuple[str, str]] = ()

    def __init__(self, detail: str = "", **params: object) -> None:
        super().__init__(detail)
        self.params = params


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


class OverloadedError(UnavailableError):
    """Too many requests are being answered at once."""

    code: ClassVar[str] = "overloaded"


class StreamsFullError(UnavailableError):
    """As many streams and exports are open as are allowed."""

    code: ClassVar[str] = "streams-full"


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


class RateLimitedError(GatewayError):
    """The visitor's budget is used up; ``retry_after`` is when this request fits again."""

    status: ClassVar[int] = 429
    code: ClassVar[str] = "rate-limited"

    def __init__(self, *, limit: int, retry_after: int) -> None:
        super().__init__(limit=limit, seconds=retry_after)
        self.retry_after = retry_after


class RequestError(GatewayError):
    """The request is wrong, and will be wrong again."""

    status: ClassVar[int] = 400
    code: ClassVar[str] = "bad-request"
    violations: Sequence[Violation] = ()


class FramingError(RequestError):
    """It is not certain where the request ends or whom it is for; neither is what follows on the connection."""

    headers: Sequence[tuple[str, str]] = (("connection", "close"),)


class AddressError(RequestError):
    """The address holds a character that must be percent-encoded (RFC 3986, 2.1)."""

    code: ClassVar[str] = "address-not-encoded"


class MalformedJsonError(RequestError):
    """The body is no JSON."""

    code: ClassVar[str] = "malformed-json"


class MalformedFormError(RequestError):
    """The body is no form in UTF-8."""

    code: ClassVar[str] = "malformed-form"


class RepeatedMemberError(RequestError):
    """An object names the same member twice, so that readers would not agree on what it says."""

    code: ClassVar[str] = "repeated-member"


class KeyInvalidError(RequestError):
    """The header Idempotency-Key holds no key."""

    code: ClassVar[str] = "idempotency-key-invalid"


class CursorInvalidError(RequestError):
    """The cursor is none of ours, or belongs to other filters."""

    code: ClassVar[str] = "cursor-invalid"


class UnauthenticatedError(RequestError):
    """No API key, or none that is valid."""

    status: ClassVar[int] = 401
    code: ClassVar[str] = "unauthenticated"

    def __init__(self, *, presented: bool = False) -> None:
        """``presented``: there was a key, and it is not valid (RFC 6750, 3.1)."""
        super().__init__()
        self.headers = (("www-authenticate", _CHALLENGE + (', error="invalid_token"' if presented else "")),)


class ForbiddenError(RequestError):
    """The API key lacks the scope."""

    status: ClassVar[int] = 403
    code: ClassVar[str] = "forbidden"

    def __init__(self, *, scope: str) -> None:
        super().__init__(scope=scope)
        self.headers = (("www-authenticate", f'{_CHALLENGE}, error="insufficient_scope", scope="{scope}"'),)


class CrossSiteError(RequestError):
    """The form came from another site."""

    status: ClassVar[int] = 403
    code: ClassVar[str] = "cross-site"


class NotFoundError(RequestError):
    """Nothing is at this address."""

    status: ClassVar[int] = 404
    code: ClassVar[str] = "not-found"


class MethodError(RequestError):
    """Another method is needed; ``allow`` lists those that work."""

    status: ClassVar[int] = 405
    code: ClassVar[str] = "method-not-allowed"

    def __init__(self, *, allow: str) -> None:
        super().__init__(allow=allow)
        self.headers = (("allow", allow),)


class TooSlowError(RequestError):
    """The rest of the request did not arrive in time."""

    status: ClassVar[int] = 408
    code: ClassVar[str] = "too-slow"
    headers: Sequence[tuple[str, str]] = (("connection", "close"),)


class BodyTooLargeError(RequestError):
    """The body is larger than ``limit`` bytes. The rest of it is not read."""

    status: ClassVar[int] = 413
    code: ClassVar[str] = "body-too-large"


class BatchTooLargeError(RequestError):
    """The batch has more than ``limit`` items. None of them was stored."""

    status: ClassVar[int] = 413
    code: ClassVar[str] = "batch-too-large"


class QueryTooLongError(RequestError):
    """The query has more than ``limit`` bytes, or more than so many ``parameters``."""

    status: ClassVar[int] = 414
    code: ClassVar[str] = "query-too-long"


class MediaTypeError(RequestError):
    """The body is not of the media type that this call reads."""

    status: ClassVar[int] = 415
    code: ClassVar[str] = "unsupported-media-type"

    def __init__(self, *, accept: str) -> None:
        super().__init__(accept=accept)
        self.headers = (("accept", accept),)


class MalformedEncodingError(RequestError):
    """The body is said to be gzip, and is none, or not all of it."""

    code: ClassVar[str] = "malformed-gzip"


class EncodingError(RequestError):
    """The body is packed with something else than gzip."""

    status: ClassVar[int] = 415
    code: ClassVar[str] = "content-encoding"
    headers: Sequence[tuple[str, str]] = (("accept-encoding", "gzip"),)


class MisdirectedError(RequestError):
    """The Host is no name of this gateway: perhaps one that a page of elsewhere makes lead here."""

    status: ClassVar[int] = 421
    code: ClassVar[str] = "misdirected"


class HeadTooLargeError(RequestError):
    """Request line and headers have more than ``limit`` bytes."""

    status: ClassVar[int] = 431
    code: ClassVar[str] = "headers-too-large"


class ValidationError(RequestError):
    """Fields or parameters break the rules; each is named, or the first of ``count``."""

    status: ClassVar[int] = 422
    code: ClassVar[str] = "invalid"

    def __init__(self, violations: Sequence[Violation], count: int = 0) -> None:
        super().__init__()
        self.violations = violations
        self.count = max(count, len(violations))

    def keep(self, most: int) -> None:
        """Tell no more of them than so many, and their number."""
        self.violations = self.violations[:most]


class PageTooDeepError(RequestError):
    """Only a cursor reaches that far."""

    status: ClassVar[int] = 422
    code: ClassVar[str] = "page-too-deep"


class SearchTooBroadError(RequestError):
    """The search was stopped at its time limit."""

    status: ClassVar[int] = 422
    code: ClassVar[str] = "search-too-broad"
