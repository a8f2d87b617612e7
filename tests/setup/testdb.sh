#!/bin/bash
# A throw-away server on port 9999 (or $PORT) with the shop's data, in the
# foreground, removed on Ctrl-C: a container of $IMAGE, else, or when IMAGE is
# empty, the programs of this machine. $PG_MAJOR chooses the version. User and
# password are postgres.
set -eu
. "$(dirname -- "$0")/common.sh"
. "$(dirname -- "$0")/server.sh"

port=${PORT:-9999}
if (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; then
	die "something listens on port $port already; PORT=... chooses another one"
fi

# tools_major prints the newest version whose client tools the plugin finds by itself.
tools_major() {
	local dump
	for dump in /usr/lib/postgresql/*/bin/pg_dump /usr/pgsql-*/bin/pg_dump /opt/homebrew/opt/postgresql@*/bin/pg_dump \
		/usr/local/opt/postgresql@*/bin/pg_dump; do
		if [ -x "$dump" ]; then "$dump" --version; fi
	done | sed -n 's/^[^0-9]*\([0-9]*\).*/\1/p' | sort -n | tail -n 1
}

# use_container sets $image and $bindir when a container can be had, of a version that
# the machine's own client tools fit.
use_container() {
	local pattern=${IMAGE-postgres:%d} major=${PG_MAJOR:-$(tools_major)} bindirs
	major=${major:-18}
	if [ -z "$pattern" ] || ! docker version >/dev/null 2>&1; then return 1; fi
	bindirs=$("$top/tests/setup/container.sh" "$pattern" "$major") || return 1
	image=${pattern//%d/$major}
	bindir=${bindirs#*=}
}

image=
tools=
if use_container; then
	if [ "$(tools_major)" != "${image##*[!0-9]}" ]; then tools=" pg_bin_dir=$bindir"; fi
else
	say "no container: using the programs of this machine"
	"$top/tests/setup/postgres.sh"
	bindir=$(pg_bindir "${PG_MAJOR:-$(tools_major)}")
	[ -n "$bindir" ] || bindir=$(pg_bindir "${PG_MAJOR:-}")
	[ -n "$bindir" ] || die "no PostgreSQL ${PG_MAJOR:-} found"
	case $bindir in "$cache"/*) tools=" pg_bin_dir=$bindir" ;; esac
fi

work=$(mktemp -d)
chmod 711 "$work"
finish() {
	trap - EXIT INT TERM
	if [ -f "$work/db/data/postmaster.pid" ]; then
		kill -QUIT "$(head -n 1 "$work/db/data/postmaster.pid")" 2>/dev/null || :
	fi
	wait
	rm -rf "$work"
}
trap finish EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

make_server "$bindir" "$work/db" postgres
server_program "$bindir" postgres -D "$work/db/data" -p "$port" >"$work/log" 2>&1 &
server=$!
export PGHOST=127.0.0.1 PGPORT="$port" PGUSER=postgres PGPASSWORD=postgres
until "$bindir/psql" -X -q -d postgres -c 'SELECT' >/dev/null 2>&1; do
	kill -0 "$server" 2>/dev/null || {
		cat "$work/log" >&2
		die "the server has ended"
	}
	sleep 0.1
done
"$bindir/psql" -X -q -d postgres -c 'CREATE DATABASE shop'
"$bindir/psql" -X -q -d shop -v ON_ERROR_STOP=1 -f - <"$top/tests/harness/seed/shop.sql"

url=postgres://postgres@localhost:$port
cat <<TEXT
PostgreSQL $("$bindir/psql" -X -At -d postgres -c 'SHOW server_version') on port $port${image:+, a container of $image}, until Ctrl-C:

    PGPASSWORD=postgres psql $url/shop

Back it up:

    plakar source add mydb $url password=postgres$tools
    plakar backup @mydb

Restore a snapshot into it; its databases take the place of those of the same name:

    plakar destination add mydb $url password=postgres recreate=true$tools
    plakar restore -to @mydb <snapid>
TEXT
wait "$server" || :
cat "$work/log" >&2
die "the server has ended"
