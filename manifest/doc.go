// Package manifest makes and reads manifest.json, the description of the
// server in every snapshot: what was there, how it was backed
// up, and what a person or program needs to know before restoring it.
//
// [Write] collects the document from a live server and streams it, [Read] and
// [ReadSummary] decode it, [Schema] is its JSON Schema.
//
// Invariants:
//
//   - Collection never fails a backup: whatever cannot be read is null in the
//     document and has an entry in warnings. Null means "not known", an empty
//     list means "there are none".
//   - The number of queries per database is fixed. The server builds the JSON
//     of a relation, this package copies it through, so memory is bounded by the
//     buffers and by the largest single relation.
//   - No secret is ever selected: no password or hash, no text of a command, no
//     connection string, no options of user mappings or foreign servers, no
//     value of a setting but those named in [ClusterConfig].
//   - Nothing waits for another session's lock longer than lock_timeout, and
//     when Write has returned, its sessions are closed.
//
// The SQL is in sql/*.sql. The end of a line can say which major versions it is
// for: "-- since 15", "-- before 15", "-- since 15 before 17".
package manifest
