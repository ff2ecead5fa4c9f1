"""Databases with two roles."""

import asyncio
import secrets
from collections.abc import AsyncIterator

import pytest

from devstack.postgresql.postgres import Postgres
from migrations import head
from tests.support.managed import SCHEMA, Managed, headgate
from tests.support.write_path import execute


@pytest.fixture
async def managed(postgres: Postgres) -> AsyncIterator[Managed]:
    one = Managed(f"m{secrets.token_hex(4)}", postgres)
    for role in ("owner", "runner"):
        postgres.query(f"CREATE ROLE {role}_{one.name} LOGIN PASSWORD 'secret'")
    postgres.query(f"CREATE DATABASE {one.name}")
    yield one
    roles = (f"DROP ROLE {role}_{one.name}" for role in ("owner", "runner"))
    postgres.query(f"DROP DATABASE {one.name} WITH (FORCE)", *roles)


@pytest.fixture
async def allowed(managed: Managed) -> Managed:
    """Migrated by one role, usable by the other, as the command does it."""
    await execute(managed.admin_url, f'CREATE SCHEMA "{SCHEMA}" AUTHORIZATION owner_{managed.name}')
    found = await asyncio.to_thread(headgate, managed, "migrate", "--grants", f"runner_{managed.name}")
    assert f"the database is at revision {head()}" in found.stdout, found.stderr
    assert f'GRANT SELECT, INSERT ON "{SCHEMA}".applications TO runner_{managed.name};' in found.stdout
    assert "without pg_trgm, user_name__like reads every name" in found.stdout + found.stderr
    return managed
