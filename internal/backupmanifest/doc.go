// Package backupmanifest reads PostgreSQL's backup_manifest, which lists every file
// of a base backup but the WAL, with its size and CRC32C, and says which WAL a
// recovery needs.
//
// A backup compares what the server sends with it, a restore what it writes.
//
// Invariants:
//
//   - A manifest is never held: its parts go to a [Handler] one by one.
//   - [Read] succeeds only if the manifest agrees with its own checksum. What the
//     handler was given before that must not be trusted until then.
//
// Source: https://www.postgresql.org/docs/18/backup-manifest-format.html
package backupmanifest
