# Shared by the scripts of tests/; to be sourced. POSIX sh.
# shellcheck shell=sh

top=$(CDPATH='' cd -- "$(dirname -- "$0")/../.." && pwd)
cache=$top/.cache

say() { printf '%s\n' "$*" >&2; }

die() {
	say "$*"
	exit 1
}

# as_root runs a command as root, directly or through sudo without asking for
# a password that nobody may be there to type. Status 77: there is no way.
as_root() {
	if [ "$(id -u)" = 0 ]; then
		"$@"
	elif command -v sudo >/dev/null && { sudo -n true 2>/dev/null || [ -t 0 ]; }; then
		sudo "$@"
	else
		return 77
	fi
}

# apt_install installs Debian packages; a broken third-party source in
# apt's list must not get in the way of Debian's own.
apt_install() {
	command -v apt-get >/dev/null || die "please install: $*"
	[ "$(id -u)" = 0 ] || as_root true 2>/dev/null || die "please install, as root: apt-get install $*"
	if ! as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends "$@" >/dev/null 2>&1; then
		say "apt-get update"
		as_root apt-get update -q >/dev/null 2>&1 || say "apt-get update: some sources failed; going on with the others"
		as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends "$@" >&2
	fi
}

# pg_bindir prints the directory of the newest PostgreSQL server found, or of
# the major version in $1; nothing when there is none.
pg_bindir() {
	for bindir in /usr/lib/postgresql/"${1:-*}"/bin /usr/pgsql-"${1:-*}"/bin \
		/opt/homebrew/opt/postgresql@"${1:-*}"/bin /usr/local/opt/postgresql@"${1:-*}"/bin \
		"$cache"/pg/"${1:-*}"/usr/lib/postgresql/"${1:-*}"/bin; do
		for found in $bindir; do
			# Not "&&": its status would be the function's, and end the caller.
			if [ -x "$found/initdb" ] && [ -x "$found/postgres" ]; then printf '%s\n' "$found"; fi
		done
	done | sed 's/.*/& &/; s/^[^ ]*[/@-]\([0-9][0-9]*\)\/bin /\1 /' | sort -n | tail -n 1 | cut -d' ' -f2-
}
