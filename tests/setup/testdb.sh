#!/bin/bash
# A throw-away server on port 9999 (or $PORT) with the shop's data, in the
# foreground, removed on Ctrl-C.
set -eu
. "$(dirname -- "$0")/common.sh"
. "$(dirname -- "$0")/server.sh"

"$top/tests/setup/postgres.sh"
port=${PORT:-9999}
bindir=$(pg_bindir "${PG_MAJOR:-}")
[ -n "$bindir" ] || die "no PostgreSQL ${PG_MAJOR:-} found"
work=$(mktemp -d)
chmod 711 "$work"
finish() {
	trap - EXIT INT TERM
	stop_server "$bindir" "$work/db"
	rm -rf "$work"
}
trap finish EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

make_server "$bindir" "$work/db" secret
start_server "$bindir" "$work/db" "$port"
export PGHOST=127.0.0.1 PGPORT="$port" PGUSER=postgres PGPASSWORD=secret
"$bindir/psql" -X -q -d postgres -c 'CREATE DATABASE shop'
"$bindir/psql" -X -q -d shop -v ON_ERROR_STOP=1 -f - <"$top/tests/harness/seed/shop.sql"

cat <<TEXT
PostgreSQL $("$bindir/psql" -X -At -d postgres -c 'SHOW server_version') on port $port, until Ctrl-C:

    psql postgres://postgres:secret@127.0.0.1:$port/shop
    plakar source add testdb postgres://postgres:secret@127.0.0.1:$port/
    plakar backup @testdb
TEXT
while [ -f "$work/db/data/postmaster.pid" ]; do sleep 1; done
