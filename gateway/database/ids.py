"""Ids of applications and batches: UUIDv7 (RFC 9562, 5.7), strictly increasing within a process."""

from uuid import UUID

import uuid_utils
from asyncpg.pgproto import pgproto


def new_id() -> UUID:
    """A fresh id, greater than every one before it in this process.

    It is of asyncpg's own subclass of UUID, the one that rows come with: making one and its text take a tenth of the
    time that the standard library's takes.
    """
    id_: UUID = pgproto.UUID(uuid_utils.uuid7().bytes)
    return id_
