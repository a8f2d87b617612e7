// Package bench measures the plugin against the tools under it, through the real
// plakar and real servers: "make bench". The times of a machine mean little, so the
// result are ratios between what ran in turn in one run; see docs/benchmarks.md.
//
//	dataset_test.go     the servers and what is in them
//	contender_test.go   one way to do the work, and what it costs
//	commands_test.go    the ways: the plugin, the tools alone, the tools piped into plakar
//	bench_test.go       which of them are compared
//	wal_test.go         the same for the WAL, and recovery with it
//	report_test.go      docs/benchmarks.json, from which the text and the picture are made
package bench
