#!/bin/sh
# Install a PostgreSQL server with contrib, from the machine's own packages,
# unless there is one. The distribution's own cluster is neither made nor
# started.
set -eu
. "$(dirname -- "$0")/common.sh"

if [ -n "$(pg_bindir)" ] && { [ "$(id -u)" != 0 ] || id postgres >/dev/null 2>&1; }; then
	exit 0
fi
case $(uname -s) in
Darwin) die "please install: brew install postgresql@17" ;;
esac
command -v apt-get >/dev/null || die "please install a PostgreSQL server with its contrib modules (15 or later)"
say "installing PostgreSQL"
apt_install postgresql-common
as_root mkdir -p /etc/postgresql-common/createcluster.d
# The last one wins; removed again, so that the user's later clusters are made as usual.
conf=/etc/postgresql-common/createcluster.d/zz-no-main-cluster.conf
echo 'create_main_cluster = false' | as_root tee "$conf" >/dev/null
trap 'as_root rm -f "$conf"' EXIT
apt_install postgresql
[ -n "$(pg_bindir)" ] || die "PostgreSQL was installed, but no initdb is to be found"
say "PostgreSQL is in $(pg_bindir)"
