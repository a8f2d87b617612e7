# Throw-away servers for the bash scripts; to be sourced after common.sh, by a
# script that has put its temporary directory into $work.
# shellcheck shell=bash
# shellcheck disable=SC2154

# server_ids prints uid:gid of the account that servers run as: PostgreSQL refuses
# to run as root. Without an account for it, a container's has the official
# image's numbers.
server_ids() {
	if [ "$(id -u)" != 0 ]; then
		echo "$(id -u):$(id -g)"
	elif id postgres >/dev/null 2>&1; then
		echo "$(id -u postgres):$(id -g postgres)"
	else
		echo 999:999
	fi
}

# as_server runs a command as that account.
as_server() {
	if [ "$(id -u)" = 0 ]; then
		local ids
		ids=$(server_ids)
		setpriv --reuid="${ids%:*}" --regid="${ids#*:}" --clear-groups env HOME="$work" LC_ALL=C.UTF-8 "$@"
	else
		env LC_ALL=C.UTF-8 "$@"
	fi
}

# server_program <bindir> <program> [argument]...: runs initdb or postgres, of the
# image in $image if there is one.
server_program() {
	local bindir=$1
	shift
	if [ -n "${image:-}" ]; then
		"$cache/container/pgcontainer" -image "$image" -user "$(server_ids)" -mount "$work" -dir "$work" \
			-env LC_ALL=C.UTF-8 -- "$@"
	else
		as_server "$bindir/$1" "${@:2}"
	fi
}

# free_port prints a TCP port that nobody listens on.
free_port() {
	port=$((20000 + $$ % 20000))
	while (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; do port=$((port + 1)); done
	echo "$port"
}

# make_server <bindir> <directory> <password>: initdb; the superuser is postgres.
make_server() {
	mkdir -p "$2"
	printf '%s\n' "$3" >"$2/pw"
	chmod 700 "$2"
	[ "$(id -u)" != 0 ] || chown -R "$(server_ids)" "$2"
	server_program "$1" initdb -D "$2/data" -U postgres --pwfile="$2/pw" -A scram-sha-256 -E UTF8 \
		--locale=C.UTF-8 --no-sync --no-instructions >"$2/initdb.log" 2>&1 || {
		cat "$2/initdb.log" >&2
		return 1
	}
	rm -f "$2/pw"
	as_server tee -a "$2/data/postgresql.conf" >/dev/null <<CONF
listen_addresses = '127.0.0.1'
unix_socket_directories = '$2'
fsync = off
CONF
}

# start_server <bindir> <directory> <port>: returns when clients are let in.
start_server() {
	as_server "$1/pg_ctl" start -w -s -D "$2/data" -l "$2/log" -o "-p $3" >&2 || {
		cat "$2/log" >&2
		return 1
	}
}

# stop_server <bindir> <directory>: also one that was never started.
stop_server() {
	[ ! -f "$2/data/postmaster.pid" ] || as_server "$1/pg_ctl" stop -s -m immediate -D "$2/data" >/dev/null 2>&1 || :
}
