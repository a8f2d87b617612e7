#!/bin/sh
# usage: images.sh 17 18
# Where no image can be pulled, make stand-ins for the official ones from Debian's
# packages: pgtest-standin:<major>. Use them with
#
#	make integration-test IMAGE=pgtest-standin:%d MAJORS=17
#
# They have the programs, the user and the paths of the official images, but not the
# entry point, which the tests do not use. "docker rmi pgtest-standin:17" removes one.
set -eu
. "$(dirname -- "$0")/common.sh"
. "$(dirname -- "$0")/debian.sh"

docker version >/dev/null 2>&1 || die "no Docker engine answers (docker version)"
need_tools
work=$(mktemp -d)
trap 'as_root rm -rf "$work"' EXIT

# tree <major> prints a directory with a Debian that has this version: that of
# majors.sh, if it is there.
tree() {
	if [ -d "$cache/pg/$1/usr" ]; then
		readlink -f -- "$cache/pg/$1"
	else
		bootstrap "$1" "$work/$1.tree"
		printf '%s\n' "$work/$1.tree"
	fi
}

# settle <major> <directory> undoes what majors.sh did to the programs: in a
# container their loader and libraries are where they were made for.
settle() {
	loader=$(loader_of "$2")
	elf_programs "$1" "$2" | while read -r program; do
		as_root patchelf --set-interpreter "${loader#"$2"}" --remove-rpath "$program"
	done
	for module in "$2/usr/lib/postgresql/$1/lib"/*.so; do
		as_root patchelf --remove-rpath "$module"
	done
}

for major; do
	image=pgtest-standin:$major
	if docker image inspect "$image" >/dev/null 2>&1; then
		say "PostgreSQL $major: $image is there"
		continue
	fi
	source=$(tree "$major")
	mkdir "$work/$major"
	as_root tar -C "$source" --exclude=./usr/share/doc --exclude=./usr/share/man --exclude=./usr/share/locale \
		--exclude=./var/lib/apt --exclude='./var/lib/postgresql/*' --exclude=./var/log -cf - . |
		as_root tar -C "$work/$major" -xf -
	settle "$major" "$work/$major"
	as_root tar -C "$work/$major" -cf - . | docker import \
		-c "ENV PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin:/usr/lib/postgresql/$major/bin" \
		-c "ENV PG_MAJOR=$major" - "$image" >/dev/null
	as_root rm -rf "${work:?}/$major" "$work/$major.tree"
	say "PostgreSQL $major: $image, $(docker run --rm "$image" postgres --version)"
done
