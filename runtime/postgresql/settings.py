"""Where the applications are and how one gets in, from the settings; never shown, whatever is wrong with it."""

import shlex
from pathlib import Path
from typing import Annotated, Self

from pydantic import AfterValidator, Field, SecretStr, model_validator

from runtime.bounds import BoundSettings
from runtime.postgresql.password import PasswordCommand
from runtime.postgresql.server import PostgreSQL
from runtime.postgresql.url import read
from runtime.secrets import Secret, SecretUnreadableError


def _checked(secret: SecretStr) -> SecretStr:
    read(secret.get_secret_value())
    return secret


def _command(text: str) -> str:
    try:
        found = shlex.split(text)
    except ValueError:
        found = []
    if not found:
        raise ValueError("must be a program and its arguments, quoted as in a shell")
    return text


DatabaseUrl = Annotated[SecretStr, AfterValidator(_checked)]


class DatabaseSettings(BoundSettings):
    """A database may be none: the workers' view does without."""

    database_url: DatabaseUrl | None = Field(None, description="the PostgreSQL that holds the applications")
    database_url_file: Path | None = Field(None, description="a file that holds DATABASE_URL, read at the start")
    database_password: SecretStr | None = Field(None, description="its password, where DATABASE_URL has none")
    database_password_file: Path | None = Field(
        None, description="a file with that password, read for each new connection"
    )
    database_password_command: Annotated[str, AfterValidator(_command)] | None = Field(
        None,
        description="a command that prints that password, run for each new connection, such as one for a cloud's IAM "
        "token; it finds PGHOST, PGPORT and PGUSER",
    )
    database_schema: str | None = Field(
        None,
        pattern="^[A-Za-z_][A-Za-z0-9_]{0,62}$",
        description="the schema of Headgate's tables; none = what the role's search path begins with, usually public",
    )

    @property
    def postgresql(self) -> PostgreSQL | None:
        """The database and how to get in."""
        return self.server("database_url")

    def server(self, setting: str) -> PostgreSQL | None:
        """The one that this setting leads to; ValueError where the settings contradict each other."""
        url = self.secret(setting)
        if not url:
            return None
        try:
            address = read(url.read())
        except (SecretUnreadableError, ValueError) as error:
            raise ValueError(f"{setting.upper()}_FILE: {error}") from None
        password = self._password()
        if password and address.password:
            raise ValueError(f"{setting.upper()} has a password, and DATABASE_PASSWORD or its like too: keep one")
        if self.database_schema and "search_path" in address.parameters.get("options", ""):
            raise ValueError(f"{setting.upper()} sets search_path, and DATABASE_SCHEMA is set too: keep one of them")
        return PostgreSQL(address, password, self.database_schema)

    def _password(self) -> Secret | PasswordCommand | None:
        said = self.secret("database_password")
        if self.database_password_command is None:
            return said or None
        if said:
            raise ValueError("DATABASE_PASSWORD_COMMAND and DATABASE_PASSWORD or its file are set: keep one of them")
        return PasswordCommand(self.database_password_command)

    @model_validator(mode="after")
    def _leads_somewhere(self) -> Self:
        _ = self.postgresql
        return self
