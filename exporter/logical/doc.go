// Package logical restores what importer/logical saved: the globals through psql,
// each dump through pg_restore.
//
// The data's way: a record of the snapshot (exporter.go) is routed by its name
// (route.go); the globals lose the statement that would change the restoring role
// itself, and what psql would act upon, and go to it (globals.go, statements.go,
// harmless.go); for a dump it is decided what
// happens to the database (database.go, recreate.go) and pg_restore is run (restore.go), from
// the record as it arrives or from a spooled file. Everything that can be restored
// is, and any failure fails the restore in the end.
//
// A dump in parts (layout=tables) is a directory of files, which arrive in the order in
// which they can be applied (directory.go, part.go): the definitions decide what happens
// to the database, data may be loaded in the background, what is built on the data
// waits for all of it. What the options leave of each is looked up in it (choose.go).
// Any of the files can be restored alone, too: into a database that may be in use, so
// that nothing is dropped and no sequence goes back (sequence.go).
//
// A dump never goes into a database that another dump went into, and a database is
// dropped only by recreate=true, before its dump is fed to pg_restore, so that a
// database that cannot be dropped is left as it was. What was begun with it is undone
// when the restore ends there (undo.go), which Close waits for (work.go).
package logical
