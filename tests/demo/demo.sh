#!/bin/bash
# The whole way, on a machine where nothing is set up: two throw-away servers,
# a backup of one, a restore into the other, and the proof that both hold the
# same; a table dropped by mistake, and the cluster brought back to the second
# before; a check that proves a snapshot. Nothing of the user's own plakar or
# PostgreSQL is touched.
set -euo pipefail
. "$(dirname -- "$0")/../setup/common.sh"
. "$(dirname -- "$0")/../setup/server.sh"

heading() { printf '\n\033[1m== %s\033[0m\n' "$*"; }

# show prints a command, as one would type it, and runs it.
show() {
	line=
	for word; do
		case $word in
		*"'"*) line="$line \"$word\"" ;;
		'' | *[!a-zA-Z0-9_./:=@%+-]*) line="$line '$word'" ;;
		*) line="$line $word" ;;
		esac
	done
	printf '\033[36m$%s\033[0m\n' "$line"
	"$@"
}

work=$(mktemp -d)
chmod 711 "$work"
bindir=
finish() {
	status=$?
	trap - EXIT INT TERM
	stop_server "$bindir" "$work/shop"
	stop_server "$bindir" "$work/empty"
	stop_server "$bindir" "$work/back"
	# plakar's cache daemon may still write for a moment.
	rm -rf "$work" 2>/dev/null || { sleep 1; rm -rf "$work"; }
	exit "$status"
}
trap finish EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

heading "What is needed: Go, PostgreSQL, plakar"
command -v go >/dev/null || die "please install Go: https://go.dev/dl/"
"$top/tests/setup/postgres.sh"
bindir=$(pg_bindir "${PG_MAJOR:-}")
[ -n "$bindir" ] || die "no PostgreSQL ${PG_MAJOR:-} found"
plakar=${PLAKAR:-$(command -v plakar || :)}
if [ -z "$plakar" ] || [ "$plakar" = "$cache/plakar" ]; then
	plakar=$cache/plakar
	"$top/tests/setup/plakar.sh"
fi
echo "$("$bindir/postgres" --version), in $bindir"
# In a home of its own: plakar makes files in it, and greets at its first run.
echo "$(env -u XDG_CACHE_HOME -u XDG_CONFIG_HOME -u XDG_DATA_HOME HOME="$work/version" "$plakar" version 2>/dev/null | grep ^plakar/), $plakar"

heading "The package"
cd "$top"
version=v0.0.1-demo
show make -s package VERSION=$version PLAKAR="$plakar"
package=$top/postgresql_${version}_$(go env GOOS)_$(go env GOARCH).ptar

# From here on everything has a home of its own.
unset XDG_CACHE_HOME XDG_CONFIG_HOME XDG_DATA_HOME
for name in $(env | sed -n 's/^\(PG[A-Z]*\|PLAKAR_[A-Z_]*\)=.*/\1/p'); do unset "$name"; done
export HOME=$work/home PLAKAR_REPOSITORY=$work/store
mkdir "$HOME" "$work/bin"
ln -s "$plakar" "$work/bin/plakar"
export PATH=$work/bin:$bindir:$PATH
plakar -disable-security-check >/dev/null
mv "$package" "$work/"
show plakar pkg add "$work/${package##*/}"
show plakar create -plaintext

uri() { echo "postgres://postgres:secret@127.0.0.1:$1/$2"; }

heading "A server with the data of a small shop"
from=$(free_port)
make_server "$bindir" "$work/shop" secret
start_server "$bindir" "$work/shop" "$from"
psql -X -q "$(uri "$from" postgres)" <<'SQL'
CREATE ROLE shopkeeper LOGIN PASSWORD 'till';
CREATE ROLE accountant NOLOGIN;
GRANT accountant TO shopkeeper;
ALTER ROLE shopkeeper SET statement_timeout TO '30s';
CREATE DATABASE shop OWNER shopkeeper;
CREATE DATABASE "Ünusual ""name""";
COMMENT ON DATABASE shop IS 'what pays for the rest';
SQL
psql -X -q -v ON_ERROR_STOP=1 "$(uri "$from" shop)" -f - <"$top/tests/harness/seed/shop.sql"
show psql -X "$(uri "$from" shop)" -c 'SELECT (SELECT count(*) FROM customers) AS customers, (SELECT count(*) FROM orders) AS orders, (SELECT count(*) FROM order_lines) AS lines'

heading "Backup"
show plakar source add mypg "$(uri "$from" '')"
show plakar source ping mypg
show plakar backup @mypg
# latest prints the identifier of the newest snapshot.
latest() { plakar ls | awk 'NR == 1 { id = $2 } END { print id }'; }
snapshot=$(latest)
show plakar ls "$snapshot"

heading "Restore into an empty server"
to=$(free_port)
make_server "$bindir" "$work/empty" secret
start_server "$bindir" "$work/empty" "$to"
show plakar destination add mypgdst "$(uri "$to" '')" recreate=true
show plakar destination ping mypgdst
show plakar restore -to @mypgdst "$snapshot"

heading "Comparison: schema, rows, roles"
# describe <port>: everything that there is, as text. The role that restores
# keeps the password that it has on the new server.
describe() {
	pg_dumpall --globals-only -d "$(uri "$1" postgres)" | grep -v '^\\\(un\)\?restrict\|^-- \|^ALTER ROLE postgres '
	psql -X -At "$(uri "$1" postgres)" -c 'SELECT datname FROM pg_database WHERE datallowconn ORDER BY 1' |
		while IFS= read -r db; do
			export PGHOST=127.0.0.1 PGPORT="$1" PGUSER=postgres PGPASSWORD=secret PGDATABASE="$db"
			echo "== $db"
			pg_dump -s -C | grep -v '^\\\(un\)\?restrict\|^-- Dumped'
			psql -X -q -At -f - <"$top/tests/harness/seed/sums.sql" >"$work/statements"
			psql -X -q -At -f "$work/statements"
		done
}
describe "$from" >"$work/before.txt"
describe "$to" >"$work/after.txt"
show diff "$work/before.txt" "$work/after.txt"
grep '^table public' "$work/after.txt"

heading "A file for each large table: what has changed between two backups"
show plakar -quiet backup -o layout=tables -o table_size=64KiB @mypg
parted=$(latest)
show plakar ls "$parted:/00002-shop/2-data"
show psql -X -q "$(uri "$from" shop)" -c "UPDATE customers SET name = 'Somebody Else' WHERE id = 1"
show plakar -quiet backup -o layout=tables -o table_size=64KiB @mypg
show plakar diff -recursive "$parted:/00002-shop" "$(latest):/00002-shop"

heading "The whole cluster, file by file, and its WAL"
bin=postgres+bin://postgres:secret@127.0.0.1:$from
show plakar source add mycluster "$bin/"
show plakar source add mywal "postgres+wal://postgres:secret@127.0.0.1:$from/"
show plakar -quiet backup @mywal
show plakar -quiet backup @mycluster
base=$(latest)

heading "A mistake: a table is dropped"
orders() { psql -X -At "$(uri "$1" shop)" -c 'SELECT count(*) FROM orders'; }
orders_before=$(orders "$from")
moment=$(psql -X -At "$(uri "$from" postgres)" -c 'SELECT now()')
sleep 1
show psql -X -q "$(uri "$from" shop)" -c 'DROP TABLE orders CASCADE'
show plakar -quiet backup @mywal
wal=$(latest)
show plakar ls

heading "Back to the second before it"
show plakar -quiet restore -to "postgres+bin://$work/back/data" "$base"
show plakar -quiet restore -to "postgres+bin://$work/back/data" -o "target_time=$moment" "$wal"
back=$(free_port)
start_server "$bindir" "$work/back" "$back"
show psql -X "$(uri "$back" shop)" -c 'SELECT count(*) AS orders FROM orders'
[ "$(orders "$back")" = "$orders_before" ] || die "the orders are not back"

heading "Proof: both snapshots, in a scratch server that is gone afterwards"
mkdir "$work/scratch"
chmod 711 "$work/scratch"
owner=() # who the scratch server runs as: as root, a user whose own servers it cannot harm here
[ "$(id -u)" != 0 ] || owner=(-o "owner=$(server_ids)")
show plakar -quiet restore -to "postgres+check://$work/scratch" "${owner[@]}" "$snapshot"
show plakar -quiet restore -to "postgres+check://$work/scratch" "${owner[@]}" "$base"

printf '\n\033[32mOK\033[0m: %s lines of description are the same on both servers, and all orders are back\n' "$(grep -c . "$work/after.txt")"
