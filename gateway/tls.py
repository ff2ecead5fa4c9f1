"""The gateway's own TLS: certificate and key from files, taken anew when they change, without a restart."""

import logging
import ssl
from pathlib import Path

from gateway.settings import Settings

log = logging.getLogger(__name__)


class CertificateError(Exception):
    """The files cannot be used; the message says which and why."""


class Certificate:
    """``context`` is what connections begin with; those that are open keep theirs."""

    def __init__(self, certificate: Path, key: Path | None) -> None:
        self._certificate, self._key = certificate, key or certificate
        self._seen = self._state()
        self.context = self._loaded()
        self.context.set_alpn_protocols(["http/1.1"])

    @classmethod
    def of(cls, settings: Settings) -> "Certificate | None":
        """The one that is set; CertificateError where it cannot be used."""
        path = settings.gateway_tls_certificate
        return cls(path, settings.gateway_tls_key) if path else None

    def look(self) -> None:
        """Take what has changed. What cannot be used is said once, and what was there stays."""
        state = self._state()
        if state == self._seen:
            return
        self._seen = state
        try:
            self._loaded()  # in a context of its own: a key that does not fit would leave ours without one
            self._load_into(self.context)
        except CertificateError as error:
            log.error("The certificate that was there stays in use: %s", error)  # noqa: TRY400 -- the message says it all
        else:
            log.info("The certificate has changed and is in use")

    def _loaded(self) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        self._load_into(context)
        return context

    def _load_into(self, context: ssl.SSLContext) -> None:
        try:
            context.load_cert_chain(self._certificate, self._key, password=_no_password)
        except ssl.SSLError as error:
            reason = (error.reason or str(error)).lower().replace("_", " ")
            raise CertificateError(f"GATEWAY_TLS_CERTIFICATE with GATEWAY_TLS_KEY: {reason}") from error
        except OSError as error:
            where = self._certificate if not _readable(self._certificate) else self._key
            raise CertificateError(f"GATEWAY_TLS_CERTIFICATE, GATEWAY_TLS_KEY: {where}: {error.strerror}") from error

    def _state(self) -> object:
        return [_stamp(path) for path in (self._certificate, self._key)]


def _no_password() -> str:
    raise CertificateError("GATEWAY_TLS_KEY is encrypted: a gateway that starts by itself needs one without a password")


def _readable(path: Path) -> bool:
    try:
        with path.open("rb"):
            return True
    except OSError:
        return False


def _stamp(path: Path) -> object:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_ino, found.st_size
