#!/bin/sh
# usage: majors.sh 17 18
# Put other major versions of PostgreSQL into .cache/pg/<major>, from the
# Debian release that has them, without touching the machine's own packages:
# the programs are told where to find their loader and libraries.
set -eu
. "$(dirname -- "$0")/common.sh"

[ "$(uname -s)" = Linux ] || die "majors.sh works on Linux only"

release_of() {
	case $1 in
	15) echo bookworm ;;
	17) echo trixie ;;
	18) echo forky ;;
	*) die "no Debian release has PostgreSQL $1 that this script knows of" ;;
	esac
}

need_tools() {
	missing=
	for tool in debootstrap patchelf; do
		[ -x "/usr/sbin/$tool" ] || command -v "$tool" >/dev/null || missing="$missing $tool"
	done
	# shellcheck disable=SC2086 # a list of words
	[ -z "$missing" ] || apt_install $missing
	id postgres >/dev/null 2>&1 || "$(dirname -- "$0")/postgres.sh"
}

# bootstrap <major> <directory>
bootstrap() {
	release=$(release_of "$1")
	[ -e "/usr/share/debootstrap/scripts/$release" ] ||
		as_root ln -s sid "/usr/share/debootstrap/scripts/$release"
	say "PostgreSQL $1: debootstrap $release, a few minutes"
	as_root rm -rf "$2.partial"
	if ! as_root env PATH="$PATH:/usr/sbin:/sbin" debootstrap --variant=minbase \
		--include="postgresql-$1" "$release" "$2.partial" >"$2.log" 2>&1; then
		# PostgreSQL's scripts may fail to make a cluster in there, which nobody needs.
		[ -x "$2.partial/usr/lib/postgresql/$1/bin/postgres" ] || {
			tail -n 20 "$2.log" >&2
			die "debootstrap failed; see $2.log"
		}
	fi
	as_root rm -rf "$2.partial/proc" "$2.partial/sys" "$2.partial/dev" "$2.partial/var/cache/apt"
	as_root chmod 755 "$2.partial"
	as_root mv "$2.partial" "$2"
}

# relocate <major> <directory>: absolute paths, so again after a move.
relocate() {
	bin=$2/usr/lib/postgresql/$1/bin
	loader= # its name depends on the architecture
	for candidate in "$2"/lib64/ld-linux-*.so.* "$2"/lib/ld-linux-*.so.*; do
		[ -e "$candidate" ] && loader=$candidate && break
	done
	[ -n "$loader" ] || die "no loader in $2"
	[ "$(patchelf --print-interpreter "$bin/postgres")" != "$loader" ] || return 0
	triplet=$(basename -- "$(dirname -- "$(find "$2/usr/lib" -maxdepth 2 -name libc.so.6 | head -n 1)")")
	libs=$2/usr/lib/$triplet:$2/lib/$triplet
	for program in "$bin"/*; do
		if [ ! -f "$program" ] || [ -L "$program" ]; then continue; fi
		patchelf --print-interpreter "$program" >/dev/null 2>&1 || continue # a script
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
