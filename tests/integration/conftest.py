"""Gateways for the tests of the HTTP interface."""

from collections.abc import AsyncIterator

import pytest

from contracts import Topics
from gateway.settings import Settings
from tests.support.http_gateway import Served, served, settings_for


@pytest.fixture
def http_settings(database_url: str, kafka: str, topics: Topics) -> Settings:
    """A gateway that may be asked as often as a test likes."""
    return settings_for(database_url, kafka, topics, rate_limit_per_minute=0, lame_duck_seconds=0)


@pytest.fixture
async def http(http_settings: Settings) -> AsyncIterator[Served]:
    """A running gateway with an empty database."""
    async with served(http_settings) as running:
        yield running
