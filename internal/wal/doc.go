// Package wal knows the names, positions and headers of PostgreSQL's write-ahead log,
// and where its files lie in a snapshot of it.
//
// WAL is a sequence of bytes with 64-bit positions (LSN) for each timeline, cut into
// segments of equal size. A new timeline begins with a copy of its parent's last
// segment, up to where they part, and with a history file, which lists all ancestors and
// where each was left.
//
// Nothing here reads a file or talks to a server.
package wal
