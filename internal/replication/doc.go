// Package replication speaks the part of PostgreSQL's replication protocol that
// a base backup needs, over a connection of its own.
//
// pg_basebackup writes a cluster with tablespaces to directories only, never to a
// stream; the command beneath it, BASE_BACKUP, sends all of them in one (server
// 15 and later). A temporary slot, which lives as long as the connection, keeps
// the server from removing the WAL that the backup needs.
//
// Nothing is left after a failure: closing the connection, or losing it, ends
// the backup in the server and drops the slot.
//
// Source: https://www.postgresql.org/docs/18/protocol-replication.html
package replication
