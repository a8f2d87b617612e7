package settings

import (
	"slices"
	"strings"
)

// group is the settings of a category of pg_settings, or of several, that are left as
// they are.
type group struct {
	why   string
	names string
}

// left are all settings that a session can be given and that are not pinned.
var left = []group{
	{"the application's view of its own rows, in checks and materialized views; saved rows do not depend on it", `
		TimeZone timezone_abbreviations default_text_search_config`},
	{"the language of messages, for those who read them", `lc_messages`},
	{"given by us otherwise", `application_name client_encoding client_connection_check_interval`},
	{"a library may be what hides data from this role; blanking the list could unload it", `
		local_preload_libraries session_preload_libraries dynamic_library_path extension_control_path
		extension_destdir output_plugin_libraries`},
	{"of one transaction: the defaults count", `transaction_deferrable transaction_isolation transaction_read_only`},
	{"where, and how compactly, the same content is stored", `
		default_toast_compression gin_pending_list_limit temp_tablespaces vacuum_truncate file_copy_method`},
	{"what a statement costs, not what it does", `
		backend_flush_after effective_io_concurrency io_combine_limit maintenance_io_concurrency
		max_parallel_maintenance_workers max_parallel_workers max_parallel_workers_per_gather
		parallel_leader_participation hash_mem_multiplier logical_decoding_work_mem maintenance_work_mem
		max_stack_depth temp_buffers vacuum_buffer_usage_limit work_mem
		vacuum_cost_delay vacuum_cost_limit vacuum_cost_page_dirty vacuum_cost_page_hit vacuum_cost_page_miss`},
	{"which rows are old, which is the server's business", `
		vacuum_failsafe_age vacuum_freeze_min_age vacuum_freeze_table_age vacuum_max_eager_freeze_failure_rate
		vacuum_multixact_failsafe_age vacuum_multixact_freeze_min_age vacuum_multixact_freeze_table_age`},
	{"which plan gives the same rows", `
		geqo geqo_effort geqo_generations geqo_pool_size geqo_seed geqo_selection_bias geqo_threshold
		constraint_exclusion cursor_tuple_fraction default_statistics_target from_collapse_limit jit
		join_collapse_limit plan_cache_mode recursive_worktable_factor
		cpu_index_tuple_cost cpu_operator_cost cpu_tuple_cost effective_cache_size jit_above_cost
		jit_inline_above_cost jit_optimize_above_cost min_parallel_index_scan_size
		min_parallel_relation_size min_parallel_table_scan_size parallel_setup_cost parallel_tuple_cost
		random_page_cost seq_page_cost
		enable_async_append enable_bitmapscan enable_distinct_reordering enable_gathermerge
		enable_group_by_reordering enable_hashagg enable_hashjoin enable_incremental_sort
		enable_indexonlyscan enable_indexscan enable_material enable_memoize enable_mergejoin
		enable_nestloop enable_parallel_append enable_parallel_hash enable_partition_pruning
		enable_partitionwise_aggregate enable_partitionwise_join enable_presorted_aggregate
		enable_self_join_elimination enable_seqscan enable_sort enable_tidscan`},
	{"how passwords are hashed: restored ones are hashed already", `
		md5_password_warnings password_encryption scram_iterations`},
	{"when a network is given up: an administrator's choice that a working one never meets", `
		tcp_keepalives_count tcp_keepalives_idle tcp_keepalives_interval wal_sender_timeout deadlock_timeout`},
	{"how safe a commit is, and what goes into the WAL", `
		commit_delay commit_siblings synchronous_commit wal_compression wal_init_zero wal_recycle
		wal_skip_threshold wal_consistency_checking`},
	{"what is logged and counted", `
		update_process_title debug_pretty_print debug_print_parse debug_print_plan debug_print_raw_parse
		debug_print_rewritten log_connections log_disconnections log_duration log_error_verbosity
		log_lock_failures log_lock_waits log_parameter_max_length log_parameter_max_length_on_error
		log_replication_commands log_statement log_temp_files log_min_duration_sample
		log_min_duration_statement log_min_error_statement log_min_messages log_statement_sample_rate
		log_transaction_sample_rate stats_fetch_consistency track_activities track_cost_delay_timing
		track_counts track_functions track_io_timing track_wal_io_timing compute_query_id
		log_executor_stats log_parser_stats log_planner_stats log_statement_stats backtrace_functions
		trace_notify trace_sort escape_string_warning`},
	{"for those who develop PostgreSQL, and without a part in what is saved", `
		allow_in_place_tablespaces allow_system_table_mods composite_type_mismatch debug_copy_parse_plan_trees
		debug_discard_caches debug_logical_replication_streaming debug_parallel_query
		debug_raw_expression_coverage_test debug_write_read_parse_plan_trees force_parallel_mode
		jit_debugging_support jit_dump_bitcode jit_expressions jit_profiling_support
		jit_tuple_deforming post_auth_delay`},
	{"what a role may see of large objects", `lo_compat_privileges`},
}

// Left reports why a setting stays as it is, and whether it is one of those. Those of
// extensions, with a dot in their names, do: they may be what hides data from a role.
func Left(name string) (why string, ok bool) {
	if strings.Contains(name, ".") {
		return "an extension's", true
	}
	for _, g := range left {
		if slices.Contains(strings.Fields(g.names), name) {
			return g.why, true
		}
	}
	return "", false
}
