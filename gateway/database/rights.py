"""What a role needs that runs Headgate and does not own its tables, and what of it the role of now lacks.

Such a role cannot erase applications, make API keys, or make and drop months: that is left to the role that migrates.
Rows go to partitions by way of their table, so no grant is needed for a month that is made later.
"""

from collections.abc import Sequence

INSUFFICIENT_PRIVILEGE = "42501"
"""PostgreSQL's word for a right that is missing, whichever."""

UNDEFINED_TABLE = "42P01"
"""Its word for a table that is not there, or is in a schema that may not be used."""

_ALL = "SELECT, INSERT, UPDATE, DELETE"
GRANTS = {
    "alembic_version": "SELECT",
    "api_keys": "SELECT, UPDATE (last_used_at)",
    "applications": "SELECT, INSERT",
    "applications_default": "SELECT",
    "erasures": "SELECT",
    "expirations": "SELECT",
    "gateway_leases": _ALL,
    "idempotency_keys": _ALL,
    "outbox": _ALL,
    "ownerships": "SELECT, INSERT",
    "unpublishable": "SELECT, INSERT",
}

# Without these no application is accepted, as a gateway showed from which each was taken; the others cost less.
_TO_ACCEPT = {
    "alembic_version": "SELECT",
    "applications": "INSERT",
    "gateway_leases": "SELECT, UPDATE",
    "idempotency_keys": "SELECT, INSERT, UPDATE",
    "outbox": "SELECT, INSERT, DELETE",
}

_NEEDED = ", ".join(
    f"('{table}', '{right.partition(' ')[0]}', '{right.partition(' ')[2].strip('()')}')"
    for table, rights in GRANTS.items()
    for right in rights.split(", ")
)

# Asked of the catalogue, which everybody may read. A schema without USAGE is passed over in a search path, in silence.
LACKS = f"""
ARRAY(
    SELECT 'USAGE on schema ' || nspname FROM pg_namespace
    WHERE nspname = ANY (regexp_split_to_array(replace(current_setting('search_path'), '"', ''), ', *'))
      AND NOT has_schema_privilege(oid, 'USAGE')
    UNION ALL
    SELECT privilege || CASE field WHEN '' THEN '' ELSE ' of ' || field END || ' on ' || name
    FROM (VALUES {_NEEDED}) AS needed (name, privilege, field)
    WHERE NOT CASE field
        WHEN '' THEN has_table_privilege(to_regclass(name)::oid, privilege)
        ELSE has_column_privilege(to_regclass(name)::oid, field, privilege) END
)
"""  # noqa: S608 -- our own
"""An expression: what the role of this session lacks, as texts."""

LACKING = f"SELECT {LACKS} AS lacks, current_user AS role"
"""One row with the role as well."""


def bars_acceptance(lacks: Sequence[str]) -> bool:
    """Whether a POST cannot be accepted without what is missing."""
    needed = {f"{right} on {table}" for table, rights in _TO_ACCEPT.items() for right in rights.split(", ")}
    return not needed.isdisjoint(lacks)


def told(role: str, lacks: Sequence[str]) -> str:
    """What a role lacks, and how it gets that, in one line."""
    return f"the role {role} lacks {', '.join(lacks)}: `headgate migrate --grants {role}` gives that"
