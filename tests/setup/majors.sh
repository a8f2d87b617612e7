#!/bin/sh
# usage: majors.sh 17 18
# Put other major versions of PostgreSQL into .cache/pg/<major>, from the
# Debian release that has them, without touching the machine's own packages:
# the programs are told where to find their loader and libraries.
set -eu
. "$(dirname -- "$0")/common.sh"
. "$(dirname -- "$0")/debian.sh"

[ "$(uname -s)" = Linux ] || die "majors.sh works on Linux only"

# relocate <major> <directory>: absolute paths, so again after a move.
relocate() {
	bin=$2/usr/lib/postgresql/$1/bin
	loader=$(loader_of "$2")
	[ "$(patchelf --print-interpreter "$bin/postgres")" != "$loader" ] || return 0
	triplet=$(basename -- "$(dirname -- "$(find "$2/usr/lib" -maxdepth 2 -name libc.so.6 | head -n 1)")")
	libs=$2/usr/lib/$triplet:$2/lib/$triplet
	elf_programs "$1" "$2" | while read -r program; do
		as_root patchelf --set-interpreter "$loader" --force-rpath --set-rpath "$libs" "$program"
	done
	for module in "$2/usr/lib/postgresql/$1/lib"/*.so; do
		as_root patchelf --force-rpath --set-rpath "$libs" "$module"
	done
}

# reachable <directory>: servers of root's tests run as postgres.
reachable() {
	[ "$(id -u)" != 0 ] || setpriv --reuid=postgres --regid=postgres --clear-groups test -x "$1/usr"
}

need_tools
id postgres >/dev/null 2>&1 || "$(dirname -- "$0")/postgres.sh"
mkdir -p "$cache/pg"
chmod a+rx "$cache" "$cache/pg"
for major; do
	tree=$cache/pg/$major
	[ -d "$tree/usr" ] || {
		# A broken link, or one to something that has been removed.
		rm -f "$tree"
		home=$tree
		if [ "$(id -u)" = 0 ] && ! setpriv --reuid=postgres --regid=postgres --clear-groups test -x "$cache/pg"; then
			# The source tree is below a closed directory such as /root.
			home=/var/cache/postgresql-for-tests/$major
			mkdir -p "$(dirname -- "$home")"
		fi
		[ -d "$home/usr" ] || bootstrap "$major" "$home"
		[ "$home" = "$tree" ] || ln -s "$home" "$tree"
	}
	relocate "$major" "$(readlink -f -- "$tree")"
	reachable "$tree" || reachable "$(readlink -f -- "$tree")" || die "the user postgres cannot reach $tree"
	say "PostgreSQL $major: $("$tree/usr/lib/postgresql/$major/bin/postgres" --version)"
done
