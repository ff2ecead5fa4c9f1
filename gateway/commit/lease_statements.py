"""The SQL of leases. Each statement is one transaction in one round trip, on an AUTOCOMMIT connection."""

import uuid

from sqlalchemy import bindparam, text
from sqlalchemy.dialects.postgresql import DOUBLE_PRECISION, JSONB, TEXT, UUID

from gateway.database.tables import SCHEMA, applications

NOBODY = uuid.UUID(int=0)

# Columns are only ever added: who knows as many knows the same ones, and publishes an application with all of them.
FIELDS = len(applications.columns)

_UUID = UUID(as_uuid=True)
_LEASE = bindparam("lease", type_=_UUID)

# Changes with every promotion of a standby, and with a restore.
_TIMELINE = "left(pg_walfile_name(pg_current_wal_lsn()), 8) AS timeline"

TAKE = text(f"""
WITH mine AS (
    INSERT INTO gateway_leases (id, instance, former, seconds, fields)
    VALUES (:lease, :instance, :former, :seconds, {FIELDS})
    ON CONFLICT (id) DO UPDATE SET heartbeat = gateway_leases.heartbeat + 1 WHERE gateway_leases.claimed_by IS NULL
    RETURNING id
)
SELECT EXISTS (SELECT FROM mine) AS renewed, {_TIMELINE}, l.* FROM (SELECT) AS one LEFT JOIN gateway_leases l ON true
""").bindparams(
    _LEASE,
    bindparam("instance", type_=TEXT),
    bindparam("former", type_=_UUID),
    bindparam("seconds", type_=DOUBLE_PRECISION),
)

# Where the ids of a lease begin, asked once it is taken. Whoever reads without seeing the lease goes by the newest
# renewal that it does see, and none of them is newer than this.
BEGIN = text("""
SELECT CAST(floor(extract(epoch FROM greatest(clock_timestamp(), max(renewed_at))) * 1000) AS bigint) + 1 AS at
FROM gateway_leases
""")

# Renews and looks at all leases; ``renewed`` is false where the lease was claimed.
RENEW = text(f"""
WITH mine AS (
    UPDATE gateway_leases SET heartbeat = heartbeat + 1, renewed_at = now(), figures = :figures
    WHERE id = :lease AND claimed_by IS NULL
    RETURNING id
)
SELECT EXISTS (SELECT FROM mine) AS renewed, {_TIMELINE}, l.* FROM (SELECT) AS one LEFT JOIN gateway_leases l ON true
""").bindparams(_LEASE, bindparam("figures", type_=JSONB))

# FOR UPDATE waits for every commit under way that has locked the row FOR KEY SHARE; later ones find it claimed.
CLAIM = text(f"""
WITH dead AS (
    SELECT id FROM gateway_leases
    WHERE id = :dead AND heartbeat = :heartbeat AND claimed_by IS NOT DISTINCT FROM :claimed_by
      AND fields <= {FIELDS}
      AND EXISTS (SELECT FROM gateway_leases WHERE id = :lease AND claimed_by IS NULL)
    FOR UPDATE
)
UPDATE gateway_leases l SET claimed_by = :lease FROM dead WHERE l.id = dead.id
RETURNING l.id
""").bindparams(_LEASE, bindparam("dead", type_=_UUID), bindparam("claimed_by", type_=_UUID))

# Outbox rows whose lease row is missing belong to nobody: whoever knows the newest schema gives them one to be claimed.
ADOPT_ORPHANS = text(f"""
INSERT INTO gateway_leases (id, instance, claimed_by, seconds, fields)
SELECT DISTINCT o.lease, 'unknown', uuid '{NOBODY}', 0, {FIELDS}
FROM outbox o
WHERE NOT EXISTS (SELECT FROM gateway_leases l WHERE l.id = o.lease)
  AND (SELECT version_num FROM alembic_version) <= '{SCHEMA}'
ON CONFLICT (id) DO NOTHING
""")

# A lease ends with its last outbox row; tombstones have done their work by then.
END = text("""
WITH tombstones AS (DELETE FROM outbox WHERE lease = :lease AND cardinality(ids) = 0)
DELETE FROM gateway_leases
WHERE id = :lease AND NOT EXISTS (SELECT FROM outbox WHERE lease = :lease AND cardinality(ids) > 0)
""").bindparams(_LEASE)

# Asked for after END: its own answer may have been lost, and says nothing the second time.
STILL_THERE = text("SELECT FROM gateway_leases WHERE id = :lease").bindparams(_LEASE)

GIVE_BACK = text("""
WITH gone AS (
    DELETE FROM gateway_leases
    WHERE id = :lease AND claimed_by IS NULL AND NOT EXISTS (SELECT FROM outbox WHERE lease = :lease)
    RETURNING id
)
UPDATE gateway_leases SET claimed_by = :nobody
WHERE id = :lease AND claimed_by IS NULL AND NOT EXISTS (SELECT FROM gone)
""").bindparams(_LEASE, bindparam("nobody", type_=_UUID))
