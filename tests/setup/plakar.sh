#!/bin/sh
# Build the plakar command that the tests drive into .cache/plakar.
set -eu
. "$(dirname -- "$0")/common.sh"

command -v go >/dev/null || die "please install Go: https://go.dev/dl/"
mkdir -p "$cache"
cd "$top/tests/plakar"
[ -x "$cache/plakar" ] || say "building plakar, a minute or two the first time"
exec env GOOS= GOARCH= CGO_ENABLED=0 go build -o "$cache/plakar" github.com/PlakarKorp/plakar
