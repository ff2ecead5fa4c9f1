"""`headgate forget USER`: one person's applications out of PostgreSQL, and what of them is elsewhere until when."""

from collections.abc import AsyncIterator, Collection, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from sqlalchemy import ColumnElement, select, text
from sqlalchemy.ext.asyncio import AsyncConnection

from cli.errors import CommandError
from cli.removal.removal import IDS, count, in_steps, waiting
from cli.topics.admin import admin
from contracts import Topics, spellings, time_of
from gateway.database.tables import applications
from runtime.kafka.clients import Kafka
from stream_workers.kinds import KINDS, Kept

# The ids are kept: without them the events that the topic still holds would look like another producer's.
_ERASE = text("""
WITH gone AS (DELETE FROM applications WHERE id = ANY(:ids) RETURNING id),
     keys AS (DELETE FROM idempotency_keys WHERE application_id = ANY(:ids)),
     owned AS (DELETE FROM ownerships WHERE id = ANY(:ids)),
     refused AS (DELETE FROM unpublishable WHERE id = ANY(:ids))
INSERT INTO erasures (id) SELECT id FROM gone ON CONFLICT DO NOTHING
""").bindparams(IDS)

_CONFIGS = frozenset({"retention.ms", "cleanup.policy"})


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
    theirs = _of(user_name)
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
    return [_of(user_name), ~waiting()]


def _of(user_name: str) -> ColumnElement[bool]:
    """Also what was stored before names were normalised."""
    return applications.c.user_name.in_(spellings(user_name))


async def remains(kafka: Kafka, topics: Topics, newest: datetime) -> list[Remains]:
    """What other places hold of someone whose last application came at ``newest``. Without Kafka: times unknown."""
    places = _kept_of_a_person()
    try:
        kept = await _retention(kafka, {place.topic(topics) for place in places if place.topic})
    except (CommandError, OSError):
        kept = {}

    def remaining(place: Kept) -> Remains:
        if place.topic is None:
            return Remains(place.where, place.what, None)
        topic = place.topic(topics)
        time = kept.get(topic)
        return Remains(topic, place.what, newest + time if time else None, known=topic in kept)

    return [remaining(place) for place in places]


def _kept_of_a_person() -> list[Kept]:
    return [
        Kept("the events, up to a segment's time longer", topic=lambda topics: topics.applications),
        Kept("events of theirs that could not be read", topic=lambda topics: topics.dead_letters),
        *(place for kind in KINDS.values() for place in kind.keeps_of_a_person()),
        Kept("copies that Headgate does not know", where="backups of PostgreSQL, consumers of the topic"),
    ]


async def _retention(kafka: Kafka, topics: Collection[str]) -> dict[str, timedelta | None]:
    """How long these topics keep records, None for ever; without those of which Kafka does not tell."""
    wanted = [ConfigResource(ConfigResourceType.TOPIC, name, dict.fromkeys(_CONFIGS)) for name in topics]
    async with admin(kafka) as client:
        answers: Any = await client.describe_configs(wanted)
    told = {
        resource[3]: {entry[0]: entry[1] for entry in resource[4]}
        for answer in answers
        for resource in answer.resources
        if resource[0] == 0
    }
    return {name: _kept_for(config) for name, config in told.items() if config.keys() >= _CONFIGS}


def _kept_for(config: Mapping[str, str]) -> timedelta | None:
    """Where compaction is all that takes records away, the newest of each key stays."""
    kept = int(config["retention.ms"])
    return timedelta(milliseconds=kept) if kept >= 0 and "delete" in config["cleanup.policy"] else None


def past(instant: datetime | None) -> bool:
    """Whether it is over by now."""
    return instant is not None and instant < datetime.now(UTC)
