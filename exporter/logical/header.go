package logical

import (
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/PlakarKorp/integration-postgresql/internal/dumparchive"
)

// begin reads the archive's header: the oldest major version whose pg_restore
// reads the archive, a.made and a.origin. The format's version follows the magic; 1.15
// came with PostgreSQL 16 and 1.16 with 17.
// Source: src/bin/pg_dump/pg_backup_archiver.h
func (a *archive) begin() (oldestReader int, err error) {
	head := make([]byte, dumparchive.HeaderSize)
	var n int
	if len(a.head) > 0 {
		n = copy(head, a.head)
	} else if a.file != nil {
		n, err = a.file.ReadAt(head, 0)
	} else {
		n, err = io.ReadFull(a.content, head)
		a.head = head[:n]
	}
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		return 0, fmt.Errorf("reading the dump: %w", err)
	}
	h, ok := dumparchive.ParseHeader(head[:n])
	if !ok {
		return 0, errors.New("the dump is damaged: it does not begin like an archive of pg_dump")
	}
	a.made, a.origin = h.Database, h.ServerVersion
	switch {
	case h.Version <= 114:
		return 0, nil
	case h.Version == 115:
		return 16, nil
	default:
		return 17, nil
	}
}

// olderThan reports whether version, like "17.5 (Debian 17.5-1)" or "18beta1", is of
// a later major version than major.
func olderThan(major int, version string) bool {
	digits := len(version) - len(strings.TrimLeft(version, "0123456789"))
	of, err := strconv.Atoi(version[:digits])
	return err == nil && major < of
}
