#!/bin/sh
# First start: a cluster with the role and the database that the variables name. Then the server, as `postgres`.
set -eu

as_postgres() { setpriv --reuid=postgres --regid=postgres --init-groups "$@"; }

user=${POSTGRES_USER:-postgres}
install -d -o postgres -g postgres -m 0700 "$PGDATA"
install -d -o postgres -g postgres -m 2775 /var/run/postgresql
if [ ! -s "$PGDATA/PG_VERSION" ]; then
    password=$(mktemp)
    printf '%s' "${POSTGRES_PASSWORD:?must be set}" >"$password"
    chown postgres "$password"
    as_postgres initdb --username "$user" --pwfile "$password" --auth-host scram-sha-256 --auth-local trust
    rm "$password"
    echo "host all all all scram-sha-256" >>"$PGDATA/pg_hba.conf"
    as_postgres pg_ctl --wait --options "-c listen_addresses=''" start
    as_postgres createdb --username "$user" --no-password --maintenance-db postgres "${POSTGRES_DB:-$user}"
    as_postgres pg_ctl --wait stop
fi
exec setpriv --reuid=postgres --regid=postgres --init-groups "$@" -c listen_addresses='*'
