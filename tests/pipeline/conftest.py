"""Stacks for the series of faults."""

import functools
from pathlib import Path

import pytest

from contracts import Topics
from devstack.kafka.broker import Broker
from devstack.postgresql.postgres import Postgres
from tests.support.write_path_series import OpenStack, stack


@pytest.fixture
def fragile_stack(
    fragile_postgres: Postgres, fragile_broker: Broker, fragile_database_url: str, prefix: str, tmp_path: Path
) -> OpenStack:
    """Opens a stack on servers that tests may kill, with a database and topics of this test's own; needs a ``seed``."""
    return functools.partial(
        stack,
        postgres=fragile_postgres,
        broker=fragile_broker,
        database_url=fragile_database_url,
        topics=Topics(prefix),
        folder=tmp_path,
    )
