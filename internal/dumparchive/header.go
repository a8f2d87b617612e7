package dumparchive

import (
	"bytes"
	"errors"
	"fmt"
)

// HeaderSize is how much of an archive ParseHeader and ClearTimestamp look at, in
// bytes. The header takes less than half of it.
const HeaderSize = 1 << 10

// The oldest and the newest version of the format that is known.
const (
	OldestVersion = 112
	NewestVersion = 116
)

// The versions that changed what is written.
const (
	versionTableAM     = 114 // PostgreSQL 12: the table access method of an entry
	versionCompression = 115 // PostgreSQL 16: the method of compression instead of a level
	versionRelkind     = 116 // PostgreSQL 17: the relkind of an entry
)

const (
	magic        = "PGDMP"
	formatCustom = 1 // archCustom in pg_backup.h
	timeFields   = 7
)

// What pg_dump writes on every machine that PostgreSQL supports today.
const (
	usualIntSize    = 4
	usualOffsetSize = 8
)

// Header is what an archive says of itself.
type Header struct {
	Version     int // of the format: 116 is 1.16
	Revision    int
	IntSize     int // of a number, without its sign, in bytes
	OffsetSize  int // of a position in the archive, in bytes
	Format      int // 1 is custom
	Compression int // method since version 1.15, the level of gzip (-1: default) before

	// Created is the local time of creation as struct tm has it: seconds, minutes,
	// hours, day, month from 0, years since 1900, daylight saving time.
	Created [timeFields]int

	Database      string // that it was made of
	ServerVersion string // like "17.5 (Debian 17.5-1)"
	DumpVersion   string // of pg_dump, in the same form

	nulls     nulls
	createdAt int64 // position of Created, 0 if it was not reached
}

// Bits of Header.nulls.
const (
	nullDatabase nulls = 1 << iota
	nullServerVersion
	nullDumpVersion
)

// ParseHeader reads the header that an archive begins with. ok is false if head is not
// the beginning of an archive. What is cut off or not readable stays empty.
func ParseHeader(head []byte) (h Header, ok bool) {
	d := newDecoder(bytes.NewReader(head), int64(len(head)))
	h = d.header()
	return h, h.Version > 0
}

// fixedTime is 2000-01-01 00:00:00. 1970 would not do, which is before the beginning
// of time in some time zones: pg_restore warns of that.
var fixedTime = [timeFields]byte{0, 0, 0, 1, 0, 100, 0}

// ClearTimestamp replaces the time of creation in head, the beginning of an archive, by
// one that is always the same, in place. It leaves alone what it does not recognise.
func ClearTimestamp(head []byte) {
	h, ok := ParseHeader(head)
	const size = 1 + usualIntSize
	from := h.createdAt
	if !ok || from == 0 || int64(len(head)) < from+timeFields*size || h.check() != nil ||
		h.IntSize != usualIntSize || h.OffsetSize != usualOffsetSize {
		return
	}
	for n, value := range fixedTime {
		number := head[from+int64(n)*size:][:size]
		clear(number)
		number[1] = value
	}
}

// ErrNotArchive is for what does not begin like an archive.
var ErrNotArchive = errors.New("it does not begin like an archive of pg_dump")

// check reports what this package cannot read.
func (h *Header) check() error {
	switch {
	case h.Version < OldestVersion || h.Version > NewestVersion:
		return fmt.Errorf("version %s of the archive format is not supported, only %s to %s",
			versionText(h.Version), versionText(OldestVersion), versionText(NewestVersion))
	case h.Format != formatCustom:
		return fmt.Errorf("the archive has the format %d, not pg_dump's custom format (%d)", h.Format, formatCustom)
	case h.IntSize < 1 || h.IntSize > 8:
		return fmt.Errorf("integers of %d bytes are not supported", h.IntSize)
	case h.OffsetSize < 1 || h.OffsetSize > 8:
		return fmt.Errorf("offsets of %d bytes are not supported", h.OffsetSize)
	}
	return nil
}

func versionText(version int) string { return fmt.Sprintf("%d.%d", version/100, version%100) }

// header reads as much of the header as is readable: Version is 0 if that is nothing.
func (d *decoder) header() (h Header) {
	if string(d.bytes(len(magic))) != magic {
		if d.err == nil {
			d.err = ErrNotArchive
		}
		return Header{}
	}
	version := d.byte()*100 + d.byte()
	if d.err != nil {
		return Header{}
	}
	h.Version = version
	h.Revision = d.byte()
	h.IntSize = d.byte()
	h.OffsetSize = d.byte()
	h.Format = d.byte()
	d.intSize, d.offsetSize = h.IntSize, h.OffsetSize
	if d.err != nil || d.intSize < 1 || d.intSize > 8 {
		return h
	}
	if h.Version >= versionCompression {
		h.Compression = d.byte()
	} else {
		h.Compression = d.int()
	}
	if d.err != nil {
		return h
	}
	h.createdAt = d.n
	for n := range h.Created {
		h.Created[n] = d.int()
	}
	h.Database = d.text(&h.nulls, nullDatabase)
	h.ServerVersion = d.text(&h.nulls, nullServerVersion)
	h.DumpVersion = d.text(&h.nulls, nullDumpVersion)
	return h
}
