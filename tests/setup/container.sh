#!/bin/sh
# usage: container.sh <image pattern> <major>...     container.sh postgres:%d 17 18
# Get ready to run servers in containers: build tests/container, and copy the
# client tools of each image, with the loader and libraries that they need, into
# .cache/container/<image>, because plakar and the tests run on this machine, whose
# own tools and libraries may be of other versions. Prints PG_BINDIRS for the tests.
# Without a version it checks that there is a Docker engine, no more.
set -eu
. "$(dirname -- "$0")/common.sh"

pattern=$1
shift
[ "$(uname -s)" = Linux ] || die "servers in containers share the machine's network and directories: Linux only"
command -v go >/dev/null || die "please install Go: https://go.dev/dl/"
[ -x /usr/bin/patchelf ] || command -v patchelf >/dev/null || apt_install patchelf
runner=$cache/container/pgcontainer
mkdir -p "$cache/container"
(cd "$top/tests/container" && env GOOS= GOARCH= CGO_ENABLED=0 go build -trimpath -o "$runner" .)
"$runner" check || die "servers in containers need a Docker engine; make e2e uses programs of this machine"

# in_image <image> <script> [argument]...
in_image() {
	image=$1
	shift
	"$runner" -image "$image" -user "$(id -u):$(id -g)" -mount "$cache/container" -- sh -ec "$@"
}

# What changes when the image does.
# shellcheck disable=SC2016 # expanded in the image
stamp='postgres --version; stat -L -c "%s %Y" "$(command -v postgres)"'

# The wrapper that Debian has in /usr/bin is not what to copy.
# shellcheck disable=SC2016
copy='mkdir "$1/bin" "$1/lib"
cd "$(dirname "$(readlink -f "$(command -v postgres)")")"
for tool in psql pg_dump pg_dumpall pg_restore pg_basebackup pg_verifybackup pg_waldump pg_amcheck pgbench; do
	cp -pL "$tool" "$1/bin/"
	ldd "$tool" >>"$1/ldd"
done
sed -n "s/^.*=> \(\/[^ ]*\) .*/\1/p; s/^[[:space:]]*\(\/[^ ]*\) (.*/\1/p" "$1/ldd" | sort -u >"$1/list"
while read -r library; do cp -L "$library" "$1/lib/"; done <"$1/list"
rm "$1/ldd" "$1/list"'

# extract <image> <directory> <stamp>
extract() {
	rm -rf "$2.partial"
	mkdir "$2.partial"
	in_image "$1" "$copy" sh "$2.partial"
	for loader in "$2.partial"/lib/ld-*; do loader=$(basename -- "$loader"); done
	for program in "$2.partial"/bin/*; do
		patchelf --set-interpreter "$2/lib/$loader" --force-rpath --set-rpath "$2/lib" "$program"
	done
	printf '%s\n' "$3" >"$2.partial/stamp"
	rm -rf "$2"
	mv "$2.partial" "$2"
	"$2/bin/pg_dump" --version >/dev/null
}

bindirs=
for major; do
	image=$(printf '%s' "$pattern" | sed "s/%d/$major/g")
	tree=$cache/container/$(printf '%s' "$image" | tr -c 'A-Za-z0-9._-' _)
	now=$(in_image "$image" "$stamp") || die "no server of PostgreSQL $major from $image"
	if [ "$now" != "$(cat "$tree/stamp" 2>/dev/null)" ]; then
		extract "$image" "$tree" "$now"
	fi
	say "PostgreSQL $major: $image, $(printf '%s' "$now" | head -n 1)"
	bindirs=$bindirs${bindirs:+:}$major=$tree/bin
done
if [ -n "$bindirs" ]; then printf '%s\n' "$bindirs"; fi
