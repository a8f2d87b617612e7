// Package logical backs a server up with pg_dumpall --globals-only and one
// pg_dump per database, or with layout=tables several for one that is large.
//
// Data flow: connect once to learn what there is (server.go), decide what to
// dump with which tools (plan.go), complete what the options select (selection.go,
// graph.go), decide what of it in parts (tables.go, parts.go), hand
// one record for each to plakar (records.go). A dump's process is started when
// plakar begins to read its record, or somewhat ahead of it if that will be soon
// (prefetch.go), at most "jobs" at a time. A dump that fails fails the backup, after the
// others have been tried, unless continue_on_error asks to keep the snapshot; the
// snapshot then records the error in the dump's place (failures.go).
//
// No session of ours stays open while plakar reads, but for the parts of a database: while
// any of them is read, one session holds the snapshot that all of them are made of,
// and locks on the tables (snapshot.go). A part ends well only if that session has
// lived until then.
package logical
