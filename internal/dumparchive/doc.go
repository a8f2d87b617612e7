// Package dumparchive reads and writes the front of an archive in pg_dump's custom
// format (pg_dump -Fc): its header and its whole table of contents, with the
// dependencies of every entry. "pg_restore --list" is no substitute: it loses line
// breaks in names, and what a name belongs to.
//
// An archive is a header, the table of contents (TOC), and the blocks of data. It
// arrives as a stream, and pg_restore needs all of it:
//
//	archive, err := dumparchive.Open(stream)
//	...                           // archive.TOC is complete; entries may be changed
//	all, err := archive.Stream()  // the whole archive again, with these changes
//
// A caller that wants the bytes as they came gives ReadTOC an io.TeeReader.
//
// # What is guaranteed
//
//   - Damaged, cut off and hostile archives give an error. Nothing panics, and the
//     memory that reading takes is proportional to what arrives, at most to MaxSize.
//   - A TOC that was not changed is written as pg_dump wrote it, byte for byte.
//   - A change of the TOC's length does not break an archive that says where its data
//     is: these offsets are moved with it.
//
// Versions 1.12 to 1.16 of the format are known: PostgreSQL 9.0 to 18. The version is
// part of the archive, not of the server: see Header.Version.
//
// Which entries a restore of some tables or schemas needs is computed by the package
// selection, below this one.
//
// Sources: ReadHead, ReadToc, WriteHead and WriteToc in
// src/bin/pg_dump/pg_backup_archiver.c of PostgreSQL; _ReadExtraToc in
// src/bin/pg_dump/pg_backup_custom.c.
package dumparchive
