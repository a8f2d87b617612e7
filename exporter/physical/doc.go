// Package physical restores a physical backup into a data directory that PostgreSQL of
// the same major version can be started on.
//
// The data flow: open the directories and make sure that they are empty (directory.go,
// path.go), give each record its place (restore.go, tablespace.go), write it (write.go) and
// compare it with the backup manifest (verify.go), and at the end settings (settings.go,
// conf.go), warnings (warnings.go) and the order that makes it all durable (finish.go).
//
// Invariants:
//
//   - A directory that is not empty is refused before a byte is written. Everything is
//     written through an os.Root, and every file is made anew: no link below a target is
//     followed out of it.
//   - global/pg_control has its name only when every file was there and as the backup
//     manifest says, and everything else is on disk. No server starts without that file.
//   - The server that starts on it ends on a new timeline: its WAL can never be taken for
//     that of the original. The exceptions are named in settings.go.
//   - What was written stays after a failure, with a file that says so (markerName).
package physical
