"""Tokens are renewed before they end; a token server that is away is an outage once the last one has ended."""

import asyncio
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from aiokafka.errors import KafkaConnectionError
from pydantic import SecretStr

from runtime.kafka.access.tokens import ClientCredentials, TokenFile, Tokens
from runtime.secrets import Secret
from tests.support.token_server import SECRET, TokenServer


class Clock:
    now = 1_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def server() -> Iterator[TokenServer]:
    with TokenServer(seconds=100).running() as one:
        yield one


def credentials(server: TokenServer) -> ClientCredentials:
    return ClientCredentials(server.url, "head gate", Secret(SecretStr(SECRET)), "kafka", "brokers")


async def test_one_is_asked_for_by_client_credentials_and_renewed_before_it_ends(server: TokenServer) -> None:
    clock = Clock()
    tokens = Tokens(credentials(server), clock=clock)
    assert len(set(await asyncio.gather(*(tokens.token() for _ in range(5))))) == 1
    assert server.forms == [{"grant_type": ["client_credentials"], "scope": ["kafka"], "audience": ["brokers"]}]
    clock.now += 79
    await tokens.token()
    assert server.given == 1
    clock.now += 2
    await tokens.token()
    assert server.given == 2


async def test_one_serves_to_its_end_while_the_server_is_away(server: TokenServer) -> None:
    clock = Clock()
    tokens = Tokens(credentials(server), clock=clock)
    first = await tokens.token()
    server.away = True
    clock.now += 99
    assert await tokens.token() == first
    clock.now += 2
    with pytest.raises(KafkaConnectionError, match="no token for Kafka: HTTP Error 503"):
        await tokens.token()
    server.away = False
    assert await tokens.token()


async def test_a_wrong_secret_is_told_and_not_shown(server: TokenServer) -> None:
    wrong = replace(credentials(server), secret=Secret(SecretStr("another")))
    with pytest.raises(KafkaConnectionError, match="HTTP Error 401") as told:
        await Tokens(wrong).token()
    assert "another" not in str(told.value)


async def test_a_file_that_the_platform_renews_is_read_each_time(tmp_path: Path) -> None:
    file = tmp_path / "token"
    tokens = Tokens(TokenFile(file))
    with pytest.raises(KafkaConnectionError, match="cannot be read"):
        await tokens.token()
    for text in ("one", "two"):
        file.write_text(f"{text}\n")
        assert await tokens.token() == text


def test_threads_with_loops_of_their_own_may_share_them(server: TokenServer) -> None:
    """As Faust's consumer and producer do."""
    tokens = Tokens(credentials(server))
    assert asyncio.run(tokens.token()) == asyncio.run(tokens.token())
