// Package logical restores what importer/logical saved: roles, tablespaces and what a
// database is through statements of its own, what is in a database through pg_restore.
//
// Data flow: a record of the snapshot (exporter.go) is routed by its name (route.go).
//
//   - The roles and tablespaces are run statement by statement (package globals); where only a
//     part of a snapshot is restored, what a dump needs of them comes before it (needs.go).
//   - A dump in one file (single.go) is fed to pg_restore (pgrestore.go), as it arrives or
//     from a spooled file (archive.go), when its database is ready (package target).
//   - A dump in several files (layout=tables) is a directory, whose files arrive in the order
//     in which they can be applied (parted.go): the definitions decide what happens to the
//     database (predata.go), data may be loaded in the background, what is built on the data
//     waits for all of it. Any of the files can be restored alone, too: into a database that
//     may be in use, so that nothing is dropped and no sequence goes back (sequence.go).
//
// Rows that a table refused are restored once more when all others are there (refused.go),
// as long as there is a file that has them.
//
// Where only rows are restored (dataonly.go), or a dump has no more (rowsonly.go), they go into tables that are there, whose
// triggers do not fire and whose foreign keys are checked in the end (package rows). What
// that takes is a part of the archive that pg_restore is given, so that it ends with it. Then
// materialized views are refreshed (refresh.go).
//
// Which databases the options leave is decided in selection.go, which entries of a dump in
// choice.go, before anything is touched: of what tables and schemas choose, and of a
// snapshot of a part, whose schemas are made in schemas.go. The parts of a dump of which a
// choice is made wait for each other (held.go). The planner's
// statistics of what was restored are made in the end (analyze.go). When something runs is decided in
// schedule.go, and what was missing is found out in the end (checks.go). Everything that can
// be restored is, and any failure fails the restore.
//
// A dump never goes into a database that another dump went into, template0 is never
// touched, and a database is dropped only by recreate, when the new one is complete (package target). A call returns
// when all that it began has ended and what was begun with a database is undone; what was
// deferred is not run when the restore has been cancelled.
package logical
