"""`headgate forget USER`: one person's applications out of PostgreSQL, and what of them is elsewhere until when."""

from collections.abc import AsyncIterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from sqlalchemy import ColumnElement, select, text
from sqlalchemy.ext.asyncio import AsyncConnection

from cli.errors import CommandError
from cli.removal.removal import IDS, count, in_steps, waiting
from cli.topics.admin import admin
from contracts import Topics, time_of
from gateway.database.tables import applications
from runtime.kafka.clients import Kafka
from stream_workers.kinds import METRICS

# The ids are kept: without them the events that the topic still holds would look like another producer's.
_ERASE = text("""
WITH gone AS (DELETE FROM applications WHERE id = ANY(:ids) RETURNING id),
     keys AS (DELETE FROM idempotency_keys WHERE application_id = ANY(:ids)),
     refused AS (DELETE FROM unpublishable WHERE id = ANY(:ids))
INSERT INTO erasures (id) SELECT id FROM gone ON CONFLICT DO NOTHING
""").bindparams(IDS)


@dataclass(frozen=True)
class Found:
    """A person's applications: how many can be erased now, how many are still to be published, when the last came."""

    erasable: int
    waiting: int
    newest: datetime | None


@dataclass(frozen=True)
class Remains:
    """A place outside PostgreSQL; ``until`` is a time, None where nothing ends it by itself, or it is not ``known``."""

    where: str
    what: str
    until: datetime | None
    known: bool = True

    def to_fields(self) -> dict[str, Any]:
        return asdict(self) | {"until": self.until.isoformat() if self.until else None}


async def find(connection: AsyncConnection, user_name: str) -> Found:
    """Look, and change nothing."""
    theirs = applications.c.user_name == user_name
    newest = await connection.scalar(
        select(applications.c.id).where(theirs).order_by(applications.c.id.desc()).limit(1)
    )
    held = await count(connection, theirs, waiting())
    return Found(await count(connection, theirs) - held, held, time_of(newest) if newest else None)


async def erase(connection: AsyncConnection, user_name: str) -> AsyncIterator[int]:
    """Erase what is not still to be published; how many with each step. To be repeated after a crash."""
    async for removed in in_steps(connection, _erasable(user_name), removing=_ERASE):
        yield removed


def _erasable(user_name: str) -> list[ColumnElement[bool]]:
    return [applications.c.user_name == user_name, ~waiting()]


async def remains(kafka: Kafka, topics: Topics, newest: datetime) -> list[Remains]:
    """What other places hold of someone whose last application came at ``newest``. Without Kafka: times unknown."""
    try:
        kept = await _kept(kafka, topics)
    except (CommandError, OSError):
        kept = {}

    def place(topic: str, what: str) -> Remains:
        time = kept.get(topic)
        return Remains(topic, what, newest + time if time else None, known=topic in kept)

    return [
        place(topics.applications, "the events, up to a segment's time longer"),
        place(topics.dead_letters, "events of theirs that could not be read"),
        Remains(
            METRICS.changelog(topics), "the name while it is one of the most active; counts, which name nobody", None
        ),
        Remains("the journal's log", "lines with the id, and the name if JOURNAL_USER_NAMES is set", None),
        Remains("backups of PostgreSQL, consumers of the topic", "copies that Headgate does not know", None),
    ]


async def _kept(kafka: Kafka, topics: Topics) -> dict[str, timedelta | None]:
    """How long the topics keep events, None for ever; without those of which Kafka does not tell."""
    wanted = [
        ConfigResource(ConfigResourceType.TOPIC, name, {"retention.ms": None})
        for name in (topics.applications, topics.dead_letters)
    ]
    async with admin(kafka) as client:
        answers: Any = await client.describe_configs(wanted)
    values = {
        resource[3]: int(entry[1])
        for answer in answers
        for resource in answer.resources
        for entry in resource[4]
        if entry[0] == "retention.ms"
    }
    return {name: timedelta(milliseconds=value) if value >= 0 else None for name, value in values.items()}


def past(instant: datetime | None) -> bool:
    """Whether it is over by now."""
    return instant is not None and instant < datetime.now(UTC)
