// Package logical restores what importer/logical saved: the globals through psql,
// each dump through pg_restore.
//
// The data's way: a record of the snapshot (exporter.go) is routed by its name
// (route.go); the globals lose the statement that would change the restoring role
// itself and go to psql (globals.go, statements.go); for a dump it is decided what
// happens to the database (database.go) and pg_restore is run (restore.go), from
// the record as it arrives or from a spooled file. Everything that can be restored
// is, and any failure fails the restore in the end.
//
// A dump in parts (layout=tables) is a folder of files, which arrive in the order in
// which they can be applied (folder.go, part.go): the definitions decide what happens
// to the database, data may be loaded in the background, what is built on the data
// waits for all of it. Any of the files can be restored alone, too.
//
// A dump never goes into a database that another dump went into, and a database is
// dropped only by recreate=true, before its dump is fed to pg_restore, so that a
// database that cannot be dropped is left as it was.
package logical
