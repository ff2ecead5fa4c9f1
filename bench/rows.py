"""Tables of any size, filled by PostgreSQL itself."""

from uuid import UUID

from bench.stage import Connection

_INDEX = "ix_applications_user_name_id"

# Ids are UUIDv7s whose milliseconds rise by ten with each row and end a minute ago; the rest of an id is random.
_FILL = """
INSERT INTO applications (id, user_name, description, created_at)
SELECT (lpad(to_hex(ms), 12, '0') || '7' || substr(md5(n::text), 1, 3) || '8' || substr(md5(n::text), 4, 15))::uuid,
       'user-' || lpad((n * 7919 % $2)::text, 6, '0'),
       repeat('d', 100),
       to_timestamp(ms / 1000.0)
FROM generate_series(1, $1::bigint) AS n,
     LATERAL (SELECT (extract(epoch FROM now())::bigint - 60) * 1000 - ($1 - n) * 10 AS ms) AS t
"""


async def fill(connection: Connection, rows: int, *, users: int = 10_000) -> None:
    """So many applications, older than anything that comes later; statistics and visibility map are up to date."""
    # PostgreSQL shows the index of a partitioned table as one of the parent alone.
    definition = await connection.fetchval("SELECT replace(pg_get_indexdef($1::regclass), ' ON ONLY ', ' ON ')", _INDEX)
    await connection.execute(f"DROP INDEX {_INDEX}")
    await connection.execute(_FILL, rows, users, timeout=1800)
    await connection.execute(definition, timeout=1800)
    await connection.execute("VACUUM ANALYZE applications", timeout=1800)


async def middle(connection: Connection, rows: int) -> list[UUID]:
    """Some ids of the middle of so many rows."""
    found = await connection.fetch("SELECT id FROM applications ORDER BY id LIMIT 500 OFFSET $1", rows // 2)
    return [row["id"] for row in found]
