"""A secret, or the file that holds it: what the file says is read at each use, so that it may change."""

import re
from dataclasses import dataclass
from pathlib import Path

from pydantic import SecretStr


class SecretUnreadableError(OSError):
    """A secret cannot be read; what it opens is away as long as that lasts."""


@dataclass(frozen=True)
class Secret:
    """One of the two is there."""

    text: SecretStr | None = None
    file: Path | None = None

    def __bool__(self) -> bool:
        return self.text is not None or self.file is not None

    def read(self) -> str:
        """What it is now, without the line's end that editors leave; SecretUnreadableError names the file."""
        if self.file is None:
            return self.text.get_secret_value() if self.text else ""
        try:
            return self.file.read_text().rstrip("\r\n")
        except (OSError, UnicodeDecodeError) as error:
            raise SecretUnreadableError(f"{self.file} cannot be read: {error}") from None


MASK = "***"

_IN_A_URL = re.compile(r"(?<=://)([^:/@\s]*):.*@|(?<=[?&])(\w*password=)[^&\s]*")


def without_secrets(text: str) -> str:
    """Fit for a screen: without the password that a URL may have, and without a private key."""
    if "PRIVATE KEY" in text:
        return MASK
    return _IN_A_URL.sub(lambda found: f"{found[2]}{MASK}" if found[2] else f"{found[1]}:{MASK}@", text)
