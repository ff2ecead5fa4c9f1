"""Who we are to the brokers, asked anew at each authentication."""

from dataclasses import dataclass, field

from aiokafka.abc import AbstractTokenProvider

from runtime.kafka.access.tokens import Tokens
from runtime.secrets import Secret


@dataclass(frozen=True)
class Login(AbstractTokenProvider):
    """A name with a password, or tokens; the connection asks for what its mechanism needs."""

    username: str = ""
    secret: Secret = field(default_factory=Secret)
    tokens: Tokens | None = None

    def password(self) -> str:
        """The password of now."""
        return self.secret.read()

    async def token(self) -> str:
        """The token of now."""
        if self.tokens is None:
            raise RuntimeError("only OAUTHBEARER asks for tokens")
        return await self.tokens.token()
