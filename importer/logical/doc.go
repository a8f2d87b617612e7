// Package logical backs a server up with pg_dumpall --globals-only and one
// pg_dump per database.
//
// The data's way: connect once to learn what there is (server.go), decide what to
// dump with which tools (plan.go), hand one record for each to plakar
// (importer.go). A dump's process is started when plakar begins to read its
// record, at most "jobs" at a time. A dump that fails fails the backup, after the
// others have been tried, unless continue_on_error asks to keep the snapshot; the
// snapshot then records the error in the dump's place. No session stays open
// while plakar reads.
package logical
