# Debian trees with one major version of PostgreSQL in each; to be sourced after
# common.sh.
# shellcheck shell=sh

# release_of prints the Debian release that has a major version.
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

# elf_programs <major> <directory> lists the programs that patchelf can change.
elf_programs() {
	for program in "$2/usr/lib/postgresql/$1/bin"/*; do
		if [ ! -f "$program" ] || [ -L "$program" ]; then continue; fi
		patchelf --print-interpreter "$program" >/dev/null 2>&1 || continue # a script
		printf '%s\n' "$program"
	done
}

# loader_of <directory> prints the path of the tree's loader, whose name depends on
# the architecture.
loader_of() {
	for candidate in "$1"/lib64/ld-linux-*.so.* "$1"/lib/ld-linux-*.so.*; do
		if [ -e "$candidate" ]; then
			printf '%s\n' "$candidate"
			return
		fi
	done
	die "no loader in $1"
}
