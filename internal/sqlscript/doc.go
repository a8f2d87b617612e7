// Package sqlscript reads SQL scripts that pg_dumpall and pg_restore write: it cuts
// them into statements, and tells what a statement about roles, tablespaces and
// databases is about. It runs nothing, and decides nothing about what it reads.
//
// The literals of a statement read the same whatever standard_conforming_strings was in
// the script: they are rewritten for a session where it is on. Commands to psql have no
// meaning here. \restrict and \unrestrict are dropped; any other command is an error of
// the script as a whole, since a client that obeys it would do something else than SQL.
//
// Source: src/backend/parser/scan.l, src/fe_utils/psqlscan.l
package sqlscript
