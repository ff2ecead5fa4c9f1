"""DATABASE_URL as a setting: an impossible one stops the start with what is wrong, and never with what it says."""

from typing import Annotated

from pydantic import AfterValidator, SecretStr

from runtime.postgresql.url import read


def _checked(secret: SecretStr) -> SecretStr:
    read(secret.get_secret_value())
    return secret


DatabaseUrl = Annotated[SecretStr, AfterValidator(_checked)]
