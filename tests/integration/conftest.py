"""Gateways inside the test: the write path alone, and one that serves HTTP."""

from collections.abc import AsyncIterator

import pytest

from contracts import Topics
from gateway.service import Gateway, running
from gateway.settings import Settings
from runtime.kafka.clients import Kafka
from tests.support.http_gateway import Served, served, settings_for


@pytest.fixture
def settings(database_url: str, kafka: Kafka, topics: Topics) -> Settings:
    """A gateway with short leases and time-outs."""
    return settings_for(database_url, kafka, topics)


@pytest.fixture
async def gateway(settings: Settings) -> AsyncIterator[Gateway]:
    """A running gateway without HTTP, which holds its lease."""
    async with running(settings) as started:
        await started.keeper.held()
        yield started


@pytest.fixture
def http_settings(database_url: str, kafka: Kafka, topics: Topics) -> Settings:
    """A gateway that may be asked as often as a test likes."""
    return settings_for(database_url, kafka, topics, rate_limit_per_minute=0, lame_duck_seconds=0)


@pytest.fixture
async def http(http_settings: Settings) -> AsyncIterator[Served]:
    """A running gateway with an empty database."""
    async with served(http_settings) as running:
        yield running
