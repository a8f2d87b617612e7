#!/bin/sh
# Install PgBouncer, which the tests of connection poolers run by themselves; the
# distribution's own service is not left running.
set -eu
. "$(dirname -- "$0")/common.sh"

if command -v pgbouncer >/dev/null || [ -x /usr/sbin/pgbouncer ]; then
	exit 0
fi
case $(uname -s) in
Darwin) die "please install: brew install pgbouncer" ;;
esac
say "installing PgBouncer"
apt_install pgbouncer
as_root service pgbouncer stop >/dev/null 2>&1 || say "its service did not run"
