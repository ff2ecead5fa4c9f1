"""A secret, or the file that holds it: what the file says is read at each use, so that it may change."""

from dataclasses import dataclass
from pathlib import Path

from pydantic import SecretStr


class SecretUnreadableError(OSError):
    """The file of a secret cannot be read; Kafka is away as long as that lasts."""


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
