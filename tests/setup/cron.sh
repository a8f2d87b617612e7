#!/bin/sh
# Install pg_cron for the machine's own PostgreSQL servers: a check of a cluster that has it must not run its jobs.
set -eu
. "$(dirname -- "$0")/common.sh"

for dir in /usr/lib/postgresql/*/bin; do
	[ -x "$dir/postgres" ] || continue
	major=${dir#/usr/lib/postgresql/} major=${major%/bin}
	[ -e "/usr/share/postgresql/$major/extension/pg_cron.control" ] && continue
	say "installing pg_cron for PostgreSQL $major"
	apt_install "postgresql-$major-cron"
done
