#!/bin/sh
# Install what building and testing need besides Go: make, git, jq for the
# documents' commands, for the race detector a C compiler and, to hold the plugin
# at a moment of a few milliseconds, strace.
set -eu
. "$(dirname -- "$0")/common.sh"

command -v go >/dev/null || die "please install Go: https://go.dev/dl/"
missing=
command -v make >/dev/null || missing="$missing make"
command -v git >/dev/null || missing="$missing git"
command -v jq >/dev/null || missing="$missing jq"
command -v gcc >/dev/null || missing="$missing gcc libc6-dev"
[ "$(uname -s)" != Linux ] || command -v strace >/dev/null || missing="$missing strace"
[ -e /usr/share/zoneinfo/UTC ] || missing="$missing tzdata"
# shellcheck disable=SC2086 # a list of words
[ -z "$missing" ] || apt_install $missing
