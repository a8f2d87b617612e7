#!/bin/sh
# usage: make.sh
# Makes the small archives of this directory: one of each version of pg_dump that makes
# another version of the format, of a database with a few hard names, with offsets
# (v15.dump) and without, as written to a pipe (v15-pipe.dump). PG_BINDIRS says where
# the programs are, "15=/usr/lib/postgresql/15/bin:17=...". Run it as a user that may
# run a server.
set -eu
here=$(cd -- "$(dirname -- "$0")" && pwd)
IFS=:
for entry in ${PG_BINDIRS:?}; do
	major=${entry%%=*} bin=${entry#*=}
	data=$(mktemp -d)
	"$bin/initdb" -D "$data/pg" -U postgres -A trust --locale=C.UTF-8 -E UTF8 --no-sync >/dev/null
	"$bin/pg_ctl" -D "$data/pg" -l "$data/log" -w -o "-k $data -c listen_addresses= -c fsync=off" start >/dev/null
	"$bin/psql" -h "$data" -U postgres -qX -v ON_ERROR_STOP=1 -f "$here/small.sql" postgres
	"$bin/pg_dump" -h "$data" -U postgres -Fc -f "$data/dump" small
	"$bin/pg_dump" -h "$data" -U postgres -Fc small | cat >"$data/pipe"
	"$bin/pg_restore" --list --verbose "$data/dump" | grep -v '^; Archive created at' >"$data/list"
	"$bin/pg_ctl" -D "$data/pg" -m immediate stop >/dev/null
	cat "$data/dump" >"$here/v$major.dump"
	cat "$data/pipe" >"$here/v$major-pipe.dump"
	cat "$data/list" >"$here/v$major.list"
	rm -rf "$data"
done
