// Package physical backs a whole cluster up, file by file, from the server's
// base backup stream.
//
// Data flow: learn about the server and reserve its WAL (server.go), ask it for
// a backup (method.go, archives.go, tool.go), turn each entry of its tar archives into a
// record (emit.go, files.go, layout.go, content.go), and compare all that passed
// with the backup manifest, which comes last, and with what the server says that it
// leaves out (omissions.go; verify.go, names.go; package backupmanifest).
//
// Invariants:
//
//   - Every byte of every file passes through a checksum exactly once, whether
//     plakar reads it, has it already, or does not want it. Backup reports success only
//     when all files, and no other, are as the manifest says, the WAL is complete,
//     and the server or pg_basebackup has said that it is done.
//   - A record's device and inode number are made of the file's content where that
//     is known before the record is sent, else of random bits. So plakar takes a
//     file from the previous snapshot only if it has the same content.
//   - The archives are read by one goroutine, in order. It goes on as soon as a
//     file is in the spool; one that does not fit is passed on while it is read,
//     and all earlier records are in plakar's hands by then.
//   - After a failure nothing is left: no process, no session, no slot, no file.
package physical
