"""TLS towards the brokers: one context for a process, which takes certificates that change on disk."""

import logging
import ssl
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from pydantic import SecretStr

from runtime.secrets import Secret

log = logging.getLogger(__name__)

_PEM = "-----BEGIN"


class CertificateError(ValueError):
    """A certificate or key cannot be used; the message names the setting."""


@dataclass(frozen=True)
class Tls:
    """Whom we trust and who we are; each a file, or PEM as text. Without ``ca``: whom the system trusts."""

    ca: str | None = None
    certificate: str | None = None
    key: SecretStr | None = None
    key_password: Secret = field(default_factory=Secret)
    check_hostname: bool = True

    def context(self) -> ssl.SSLContext:
        """A fresh context; CertificateError names the setting that is wrong."""
        context = ssl.create_default_context()
        if self.ca:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            with _named("KAFKA_SSL_CA"), _file(self.ca) as path:
                context.load_verify_locations(path)
        context.check_hostname = self.check_hostname
        if self.certificate:
            with _named("KAFKA_SSL_CERTIFICATE, KAFKA_SSL_KEY"), ExitStack() as files:
                certificate = files.enter_context(_file(self.certificate))
                key = files.enter_context(_file(self.key.get_secret_value())) if self.key else None
                # A password that is not needed is never asked for; without one OpenSSL would ask the terminal.
                context.load_cert_chain(certificate, key, password=self.key_password.read)
        return context

    def state(self) -> tuple[object, ...]:
        """Another one once a file has been replaced or written."""
        texts = (self.ca, self.certificate, self.key.get_secret_value() if self.key else None)
        files = [Path(text) for text in texts if text and _PEM not in text]
        if self.key_password.file:
            files.append(self.key_password.file)
        return tuple(_state(file) for file in files)


class Reloading(ssl.SSLContext):
    """Passes each connection on to a context of what is on disk then; what cannot be used leaves the former one."""

    _tls: Tls
    _inner: ssl.SSLContext
    _seen: tuple[object, ...]

    @classmethod
    def of(cls, tls: Tls) -> Self:
        """CertificateError where a first one cannot be made."""
        made = cls(ssl.PROTOCOL_TLS_CLIENT)
        made._tls, made._seen, made._inner = tls, tls.state(), tls.context()
        return made

    def wrap_bio(self, *args: Any, **options: Any) -> ssl.SSLObject:
        """What asyncio and uvloop call for each connection."""
        state = self._tls.state()
        if state != self._seen:
            self._take(state)
        return self._inner.wrap_bio(*args, **options)

    def _take(self, state: tuple[object, ...]) -> None:
        try:
            self._inner = self._tls.context()
        except (CertificateError, OSError) as error:
            log.warning("Certificates for Kafka changed and cannot be used, the former ones go on: %s", error)
        else:
            log.info("Certificates for Kafka changed: new connections use them")
        self._seen = state


@contextmanager
def _file(text: str) -> Iterator[str]:
    """The path of a file with this PEM: OpenSSL loads certificates and keys from files alone."""
    if _PEM not in text:
        yield text
        return
    with tempfile.NamedTemporaryFile("w", suffix=".pem") as file:  # mode 0600
        file.write(text.replace("\\n", "\n"))
        file.flush()
        yield file.name


@contextmanager
def _named(setting: str) -> Iterator[None]:
    try:
        yield
    except (OSError, ValueError) as error:
        raise CertificateError(f"{setting}: {getattr(error, 'strerror', None) or error}") from None


def _state(file: Path) -> tuple[int, int, int] | None:
    try:
        found = file.stat()
    except OSError:
        return None
    return found.st_ino, found.st_mtime_ns, found.st_size
