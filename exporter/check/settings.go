package check

import (
	"fmt"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// firstMajor is the first major version that can be proven: its backups have a backup
// manifest.
const firstMajor = 13

// setting is one of the server's command line, which outranks postgresql.conf,
// postgresql.auto.conf and what they include.
type setting struct {
	name, value string
	since       int // first major version that has it, 0 for all
}

// settingsOf are those of a scratch server. config is the path of its configuration file.
func settingsOf(s *scratch, config string, jobs int, l limits) []setting {
	return slices.Concat(placeSettings(s, config), limitSettings(jobs, l), quietSettings)
}

// placeSettings say where its files are, and who can reach it.
func placeSettings(s *scratch, config string) []setting {
	data := s.path(dataName)
	return []setting{
		{name: "data_directory", value: data},
		{name: "config_file", value: config},
		{name: "hba_file", value: s.path(hbaName)},
		{name: "ident_file", value: s.path(identName)},
		{name: "external_pid_file", value: ""},
		// Who can reach it: this user and root.
		{name: "listen_addresses", value: ""},
		{name: "unix_socket_directories", value: `"` + strings.ReplaceAll(s.path(socketName), `"`, `""`) + `"`},
		{name: "unix_socket_permissions", value: "0700"},
		{name: "unix_socket_group", value: ""},
		{name: "port", value: port},
	}
}

// limitSettings are what has limits. With hot_standby off, recovery compares none with those of
// the original but max_prepared_transactions.
// Source: CheckRequiredParameterValues in src/backend/access/transam/xlogrecovery.c
func limitSettings(jobs int, l limits) []setting {
	return []setting{
		{name: "max_connections", value: strconv.Itoa(2*jobs + 16)},
		{name: "superuser_reserved_connections", value: "3"},
		{name: "reserved_connections", value: "0", since: 16},
		{name: "max_prepared_transactions", value: strconv.Itoa(l.preparedTransactions)},
		{name: "max_locks_per_transaction", value: strconv.Itoa(max(l.locks, 4096))},
		{name: "max_replication_slots", value: "1000"}, // and origins, which a subscriber has
		{name: "max_active_replication_origins", value: "1000", since: 18},
		{name: "shared_buffers", value: "128MB"},
		{name: "huge_pages", value: "off"},
		{name: "min_dynamic_shared_memory", value: "0", since: 14},
		{name: "dynamic_shared_memory_type", value: "mmap"}, // in the data directory
		{name: "shared_memory_type", value: "mmap"},
		{name: "io_method", value: "sync", since: 18},
	}
}

// quietSettings keep it from acting by itself, or on others.
var quietSettings = []setting{
	{name: "max_worker_processes", value: "0"},
	{name: "max_logical_replication_workers", value: "0"},
	{name: "cron.launch_active_jobs", value: "off"},
	{name: "autovacuum", value: "off"},
	{name: "archive_mode", value: "off"},
	{name: "synchronous_standby_names", value: ""},
	{name: "primary_conninfo", value: ""},
	{name: "primary_slot_name", value: ""},
	{name: "recovery_end_command", value: ""},
	{name: "archive_cleanup_command", value: ""},
	{name: "recovery_min_apply_delay", value: "0"},
	{name: "hot_standby", value: "off"},
	{name: "max_wal_senders", value: "0"},
	{name: "summarize_wal", value: "off", since: 17},
	{name: "sync_replication_slots", value: "off", since: 17},
	{name: "restart_after_crash", value: "off"},
	{name: "client_connection_check_interval", value: "1s", since: 14},
	{name: "session_preload_libraries", value: ""},
	{name: "local_preload_libraries", value: ""},
	{name: "temp_tablespaces", value: ""},
	{name: "ssl", value: "off"},
	// The directory is thrown away.
	{name: "fsync", value: "off"},
	{name: "full_page_writes", value: "off"},
	{name: "synchronous_commit", value: "off"},
	// What it says comes to us, and we understand it.
	{name: "logging_collector", value: "off"},
	{name: "log_destination", value: "stderr"},
	{name: "log_line_prefix", value: ""},
	{name: "log_min_messages", value: "warning"},
	{name: "log_statement", value: "none"},
	{name: "lc_messages", value: "C"},
}

// arguments are those of postgres.
func arguments(data string, major int, all []setting) []string {
	args := []string{"-D", data}
	for _, s := range all {
		if s.since <= major {
			args = append(args, "-c", s.name+"="+s.value)
		}
	}
	return args
}

// The files that a scratch server is given.
const (
	hbaName    = "hba.conf"
	identName  = "ident.conf"
	configName = "generated.conf"
	hbaText    = "local all all trust\n" // who gets to the socket is this user, or root
)

// prepareFiles makes them.
func (s *scratch) prepareFiles() error {
	for _, f := range []struct{ name, text string }{
		{hbaName, hbaText}, {identName, ""}, {configName, "# the backup has no postgresql.conf\n"},
	} {
		if err := s.write(f.name, f.text); err != nil {
			return fmt.Errorf("preparing the scratch server: %w", err)
		}
	}
	return nil
}

// ownConfig is the configuration file in the data directory.
func (s *scratch) ownConfig() string { return filepath.Join(s.path(dataName), "postgresql.conf") }
