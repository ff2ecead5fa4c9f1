"""The SQL of the write path. Each statement is one transaction in one round trip, on an AUTOCOMMIT connection.

The outbox row takes its lease from a sub-select that locks the lease row against a claim: where the lease has been
claimed, the column is null, the statement fails and nothing of it stays.
"""

from typing import Any

from sqlalchemy import BindParameter, bindparam, text
from sqlalchemy.dialects.postgresql import ARRAY, DOUBLE_PRECISION, JSONB, TEXT, TIMESTAMP, UUID

from gateway.database.connection import Compiled
from gateway.database.tables import applications

_UUID, _UUIDS, _TEXTS = UUID(as_uuid=True), ARRAY(UUID(as_uuid=True)), ARRAY(TEXT)

# What is stored of an application, in the table's own order: each column comes as an array, one element a row.
COLUMNS = tuple(column.name for column in applications.columns)
OF_APPLICATION = ", ".join(f"a.{name}" for name in COLUMNS)
_NAMES, _EACH = ", ".join(COLUMNS), ", ".join(f":each_{name}" for name in COLUMNS)

# A gateway whose clock is further off the database's than this does not commit (protocol, rule 10).
CLOCK_BOUND_SECONDS = 30

_LEASE_HELD = "SELECT id FROM gateway_leases WHERE id = :lease AND claimed_by IS NULL"
_LEASE = f"""({_LEASE_HELD}
      AND :oldest >= clock_timestamp() - interval '{CLOCK_BOUND_SECONDS} seconds'
      AND :newest <= clock_timestamp() + interval '{CLOCK_BOUND_SECONDS} seconds'
    FOR KEY SHARE)"""

_BATCH: tuple[BindParameter[Any], ...] = (
    bindparam("batch", type_=_UUID),
    bindparam("lease", type_=_UUID),
    bindparam("oldest", type_=TIMESTAMP(timezone=True)),
    bindparam("newest", type_=TIMESTAMP(timezone=True)),
    *(bindparam(f"each_{column.name}", type_=ARRAY(column.type)) for column in applications.columns),
    bindparam("traces", type_=_TEXTS),
    bindparam("positions", type_=JSONB),
    bindparam("confirmed", type_=_UUIDS),
)

# N applications, one outbox row, and the outbox rows that Kafka has confirmed meanwhile go.
COMMIT = Compiled(
    text(f"""
WITH stored AS (
    INSERT INTO applications ({_NAMES})
    SELECT * FROM unnest({_EACH})
), batch AS (
    INSERT INTO outbox (id, lease, ids, positions, traces)
    VALUES (:batch, {_LEASE}, :each_id, :positions, :traces)
)
DELETE FROM outbox WHERE id = ANY(:confirmed)
""").bindparams(*_BATCH)
)

_KEYS = (
    *_BATCH,
    bindparam("clients", type_=_TEXTS),
    bindparam("keys", type_=_TEXTS),
    bindparam("key_ids", type_=_UUIDS),
    bindparam("key_seconds", type_=ARRAY(DOUBLE_PRECISION)),
)

# The same where idempotency keys are among them: who wins its key (or has none) is stored, and returned.
# A key that expired but was not swept yet counts as free. Keys come sorted, so that two gateways cannot deadlock.
_WITH_KEYS = f"""
WITH won AS (
    INSERT INTO idempotency_keys (client, key, application_id, expires_at)
    SELECT client, key, id, clock_timestamp() + make_interval(secs => seconds)
    FROM unnest(:clients, :keys, :key_ids, :key_seconds) AS claim (client, key, id, seconds)
    ON CONFLICT (client, key) DO UPDATE
        SET application_id = excluded.application_id, expires_at = excluded.expires_at
        WHERE idempotency_keys.expires_at <= clock_timestamp()
    RETURNING application_id
), accepted AS (
    SELECT * FROM unnest({_EACH}, :traces) WITH ORDINALITY AS new ({_NAMES}, trace, n)
    WHERE id <> ALL(:key_ids) OR id IN (SELECT application_id FROM won)
), stored AS (
    INSERT INTO applications ({_NAMES}) SELECT {_NAMES} FROM accepted
), batch AS (
    INSERT INTO outbox (id, lease, ids, positions, traces)
    SELECT :batch, {_LEASE}, coalesce(array_agg(id ORDER BY n), '{{}}'), :positions, array_agg(trace ORDER BY n)
    FROM accepted
), gone AS (
    DELETE FROM outbox WHERE id = ANY(:confirmed)
)"""
_ACCEPTED = "\nSELECT id FROM accepted\n"
COMMIT_WITH_KEYS = text(_WITH_KEYS + _ACCEPTED).bindparams(*_KEYS)

# And where some are of keys that read only what they wrote: whose they are is stored with them.
_OWNED = """, owned AS (
    INSERT INTO ownerships (id, owner)
    SELECT id, owner FROM unnest(:owned, :owners) AS each (id, owner) JOIN accepted USING (id)
)"""
COMMIT_WITH_OWNERS = text(_WITH_KEYS + _OWNED + _ACCEPTED).bindparams(
    *_KEYS, bindparam("owned", type_=_UUIDS), bindparam("owners", type_=_UUIDS)
)

# What the losers of a key are answered with: the application that won it, looked up in its month (hence the limit).
# Columns by name, here and in the backlog: with `*`, a column that is added breaks the statement that is prepared.
KEY_HOLDERS = text(f"""
SELECT k.client, k.key, {OF_APPLICATION}
FROM unnest(:clients, :keys) AS lost (client, key)
JOIN idempotency_keys k USING (client, key)
JOIN LATERAL (SELECT * FROM applications WHERE id = k.application_id LIMIT 1) a ON true
""").bindparams(bindparam("clients", type_=_TEXTS), bindparam("keys", type_=_TEXTS))

# Settles a commit whose outcome is unknown (rule 4). It waits for the insert in progress, if there is one; a row of its
# own is a tombstone on which the late statement fails as a whole. Returns the batch's ids: none means not committed.
SETTLE = text(f"""
INSERT INTO outbox (id, lease, ids, positions) VALUES (:batch, ({_LEASE_HELD} FOR KEY SHARE), '{{}}', '{{}}')
ON CONFLICT (id) DO UPDATE SET lease = outbox.lease
RETURNING ids
""").bindparams(*_BATCH[:2])

# Why a commit found no lease: no row where it was claimed, else this machine's clock is off the database's.
CHECK = text(f"SELECT clock_timestamp() AS now FROM ({_LEASE_HELD}) AS held").bindparams(_BATCH[1])

DELETE_CONFIRMED = text("DELETE FROM outbox WHERE id = ANY(:confirmed)").bindparams(
    bindparam("confirmed", type_=_UUIDS)
)
