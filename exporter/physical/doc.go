// Package physical restores a physical backup into a data directory that PostgreSQL of
// the same major version can be started on, and WAL into such a directory.
//
// The data flow of a base backup: open the directories and make sure that they are empty
// (directory.go, descend.go, path.go), give each record its place (restore.go, tablespace.go), write it
// (write.go) and compare it with the backup manifest (verify.go), and at the end settings
// (settings.go, conf.go), warnings (warnings.go) and the order that makes it all durable
// (finish.go).
//
// That of WAL: find the base backup (walbase.go), take its directory and write segments and
// history files to pg_wal/plakar (walrestore.go, walwrite.go, walcompare.go), and at the end choose the
// timeline, prove that nothing is missing (walcoverage.go, walfinish.go), and set the
// target (waltarget.go), which pg_waldump helps to find (waldump.go).
//
// Invariants:
//
//   - A directory that is not empty is refused before a byte is written, unless it holds a
//     base backup on which no server was started, and WAL is restored. Everything is
//     written through an os.Root, and every file is made anew: no link below a target is
//     followed out of it, but that of pg_wal to a directory of the same owner.
//   - global/pg_control has its name only when every file was there and as the backup
//     manifest says, and everything else is on disk. A restore of WAL renames it before it
//     changes anything, and gives it its name back when the recovery finds all that it
//     needs. No server starts without that file.
//   - The server that starts on it ends on a new timeline: its WAL can never be taken for
//     that of the original. The exceptions are named in settings.go.
//   - What was written stays after a failure, with a file that says so (markerName).
//     After a failed restore of WAL, another one completes it.
//
// What PostgreSQL does, tried with 15: a recovery takes a hole in the archive for its
// end, and opens with old data; an empty file in the place of a segment is fatal
// ("has wrong size"). A time or position is noticed only at a record behind it: where there
// is none, the server stops with "recovery ended before configured recovery target was
// reached". A segment in which the timeline changes is read under the name of the newer
// timeline. pg_waldump waits 5 s for a segment that is not there, unless it is given an end.
package physical
