package settings

import (
	"slices"
	"strings"
)

// Setting is one that our sessions and those of the client tools are given.
type Setting struct {
	Name  string
	Value string // as pg_settings shows it
	Since int    // first major version that has it, or where minor releases added it; 0 for all
	// Privileged says that superusers may set it, and from version 15 on who was granted that.
	Privileged bool
	// AtStart says that it cannot be set later.
	AtStart bool
	// Matters says that some client tool, pg_dumpall for one, does not set it by itself, and
	// that another value can end what that does or change what it saves or restores: where
	// a connection pooler drops it, another value is refused.
	Matters bool
	// NotTools says that the client tools do not get it: they set it themselves, when they
	// have used the role's own.
	NotTools bool
	// Walsender says that it also counts for a session that speaks the replication protocol.
	Walsender bool
}

// Pinned are the settings with a value of ours, in the order of pg_settings' categories.
// client_encoding and role are not among them: see Info of package conninfo.
//
// TimeZone and default_text_search_config belong to the content of materialized views and
// checks as the database's owner sees it, and change no saved row: they are left.
// Source: https://www.postgresql.org/docs/18/runtime-config-client.html
var Pinned = []Setting{
	// What ends a session or a statement.
	{Name: "statement_timeout", Value: "0", Matters: true},
	{Name: "lock_timeout", Value: "0"},
	{Name: "transaction_timeout", Value: "0", Matters: true, Since: 17},
	{Name: "idle_in_transaction_session_timeout", Value: "0", Matters: true},
	{Name: "idle_session_timeout", Value: "0", Since: 14, Matters: true, Walsender: true},
	{Name: "tcp_user_timeout", Value: "0", Since: 12, Matters: true, Walsender: true},
	{Name: "exit_on_error", Value: "off", Matters: true, Walsender: true},
	{Name: "temp_file_limit", Value: "-1", Privileged: true, Matters: true},

	// What a transaction may do.
	{Name: "default_transaction_read_only", Value: "off", Matters: true},
	{Name: "default_transaction_isolation", Value: "read committed"},
	{Name: "default_transaction_deferrable", Value: "off"},
	{Name: "row_security", Value: "off"},
	{Name: "session_replication_role", Value: "origin", Privileged: true},
	{Name: "event_triggers", Value: "on", Since: 17, Privileged: true},

	// How values are written and read.
	{Name: "DateStyle", Value: "ISO, MDY", Matters: true},
	{Name: "IntervalStyle", Value: "postgres", Matters: true},
	{Name: "extra_float_digits", Value: "3"},
	{Name: "bytea_output", Value: "hex"},
	{Name: "lc_monetary", Value: "C"},
	{Name: "lc_numeric", Value: "C"},
	{Name: "lc_time", Value: "C"},
	{Name: "xmlbinary", Value: "base64"},
	{Name: "xmloption", Value: "content"},
	{Name: "array_nulls", Value: "on", Matters: true},
	{Name: "standard_conforming_strings", Value: "on", Matters: true},
	{Name: "backslash_quote", Value: "safe_encoding"},
	{Name: "quote_all_identifiers", Value: "off", Matters: true},
	{Name: "transform_null_equals", Value: "off", Matters: true},

	// What names stand for, and what objects become.
	// pg_dump's patterns without a schema are of what the role's own path finds.
	// Source: expand_table_name_patterns in src/bin/pg_dump/pg_dump.c
	{Name: "search_path", Value: "pg_catalog", NotTools: true},
	{Name: "check_function_bodies", Value: "off"},
	{Name: "createrole_self_grant", Value: "", Since: 16, Matters: true},
	{Name: "default_table_access_method", Value: "heap", Since: 12},
	{Name: "default_tablespace", Value: ""},
	{Name: "icu_validation_level", Value: "warning", Since: 16},
	{Name: "restrict_nonsystem_relation_kind", Value: "", Since: 17, Matters: true},

	// Which rows are found, and what is said of it.
	{Name: "gin_fuzzy_search_limit", Value: "0", Matters: true},
	{Name: "synchronize_seqscans", Value: "off"},
	{Name: "ignore_system_indexes", Value: "off", AtStart: true},
	{Name: "ignore_checksum_failure", Value: "off", Privileged: true, Matters: true},
	{Name: "zero_damaged_pages", Value: "off", Privileged: true, Matters: true},
	{Name: "client_min_messages", Value: "notice", Walsender: true},
}

// Role is the setting of the role that a session acts as: what a database gives to everybody
// is not for us.
var Role = Setting{Name: "role", Value: "none", Matters: true}

// The settings that name libraries which every session loads when it begins.
const (
	SessionLibraries = "session_preload_libraries"
	LocalLibraries   = "local_preload_libraries"
)

// ReachesTools reports whether the client tools have another value of a setting than the one
// that a database gives to its sessions, unless a connection pooler drops what they are given.
func ReachesTools(name string) bool {
	return slices.ContainsFunc(append([]Setting{Role}, Pinned...), func(s Setting) bool {
		return strings.EqualFold(s.Name, name) && !s.NotTools
	})
}

// oldest is the oldest major version that works.
const oldest = 10

// Base are those of Pinned that every server knows and every role may set.
func Base() []Setting {
	var base []Setting
	for _, s := range Pinned {
		if s.Since <= oldest && !s.Privileged {
			base = append(base, s)
		}
	}
	return base
}
