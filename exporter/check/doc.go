// Package check proves that a snapshot can be restored: it restores it into a scratch
// server that nobody else can reach, reads what is there, reports, and removes everything.
//
// The data flow: the first file of the snapshot tells what it is (kind.go). A physical
// one goes through exporter/physical into a data directory (physical.go), a logical one
// through exporter/logical into a cluster that initdb made (logical.go), and is compared with
// what its dumps hold (expected.go). A base backup can be left for a snapshot of WAL, which goes on
// from there (prepared.go, walway.go). A server is started
// there (server.go, settings.go, library.go), and every database is read (read.go,
// others.go, amcheck.go). What was found is in a Report (report.go, print.go).
//
// Invariants:
//
//   - Everything is in one directory, of mode 0700 and with a name of its own, below the one
//     that the user gave (scratch.go). Nothing else is written but the report.
//   - A guard, a process in a session of its own, ends what runs in that directory and
//     removes it when the worker is done, or gone (guard.go). What a guard that was killed
//     left, the next proof below the same directory removes. A base backup that waits for WAL has
//     a name by which both pass over it, until WAL comes, or another base backup.
//   - Nothing waits for a server that is gone: its end is seen by its first process (server.go).
//   - All settings by which the server would reach outside of that directory are on its
//     command line, which outranks every configuration file (settings.go).
//   - A proof succeeds only if all that its level asks for was done, and right: whatever
//     could not be looked at is a problem.
package check
