"""A managed database: nobody is superuser, one role migrates a schema of its own, another one runs Headgate."""

from dataclasses import dataclass
from subprocess import CompletedProcess
from typing import Any

from contracts import Topics
from devstack.postgresql.postgres import Postgres
from gateway.settings import Settings
from runtime.kafka.clients import Kafka
from tests.support import forked
from tests.support.write_path import settings_for

SCHEMA = "Shop"


@dataclass(frozen=True)
class Managed:
    """A database with two roles, and nothing in it yet."""

    name: str
    server: Postgres

    def url(self, role: str) -> str:
        return f"postgres://{role}_{self.name}:secret@127.0.0.1:{self.server.port}/{self.name}"

    @property
    def admin_url(self) -> str:
        return self.server.admin_url(self.name)

    def environment(self, role: str) -> dict[str, str]:
        return {"DATABASE_URL": self.url(role), "DATABASE_SCHEMA": SCHEMA}


def headgate(managed: Managed, *words: str) -> CompletedProcess[str]:
    """A command of `headgate`, as the role that owns the schema."""
    return forked.headgate(*words, env=managed.environment("owner"))


def settings_of(managed: Managed, role: str, kafka: Kafka, topics: Topics, **changed: Any) -> Settings:
    more = {"database_schema": SCHEMA, "rate_limit_per_minute": 0, **changed}
    return settings_for(managed.url(role), kafka, topics, **more)
