#!/bin/sh
# Make the locale es_AR.UTF-8, whose money has a comma where that of C has a point.
set -eu
. "$(dirname -- "$0")/common.sh"

if locale -a | grep -qi '^es_AR\.utf-\{0,1\}8$'; then
	exit 0
fi
case $(uname -s) in
Darwin) die "macOS has this locale; it should be in the list of locale -a" ;;
esac
[ -e /usr/share/i18n/locales/es_AR ] || apt_install locales
say "making the locale es_AR.UTF-8"
as_root localedef -i es_AR -f UTF-8 es_AR.UTF-8
