// Package recordname maps the names of databases, and of the tables that have a
// file of their own, to the names of their dumps in a snapshot and back. Every name
// that PostgreSQL accepts survives the round trip.
package recordname

import (
	"fmt"
	"net/url"
	"path"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Names of the records of a logical snapshot.
const (
	Manifest = "/manifest.json"
	// Cluster sorts before the globals and the dumps, so that a restore has it first.
	Cluster = "/00000-cluster.json"
	Globals = "/00000-globals.sql"
)

const suffix = ".dump"

// Dump returns the path of the dump of database, the number-th of the snapshot,
// counted from 1.
func Dump(number int, database string) string {
	return fmt.Sprintf("/%05d-%s%s", number, encode(database), suffix)
}

// Database returns the database's name from the path of its dump; ok is false
// if the path is not one that Dump makes.
func Database(pathname string) (name string, ok bool) {
	base, ok := strings.CutSuffix(path.Base(pathname), suffix)
	if !ok {
		return "", false
	}
	number, encoded, ok := strings.Cut(base, "-")
	if n, err := strconv.ParseUint(number, 10, 31); err != nil || !ok || len(number) < 5 || n == 0 {
		return "", false
	}
	name, err := url.PathUnescape(encoded)
	if err != nil || name == "" || encode(name) != encoded {
		return "", false
	}
	return name, true
}

// encode percent-encodes what a file name cannot hold or what would mislead a
// reader: '/', '\', '%', control characters, a leading dot, invalid UTF-8.
func encode(name string) string {
	var b strings.Builder
	for i := 0; i < len(name); {
		r, size := utf8.DecodeRuneInString(name[i:])
		if plain(r, size, i == 0) {
			b.WriteString(name[i : i+size])
		} else {
			for _, c := range []byte(name[i : i+size]) {
				fmt.Fprintf(&b, "%%%02X", c)
			}
		}
		i += size
	}
	return b.String()
}

func plain(r rune, size int, leading bool) bool {
	switch {
	case r == utf8.RuneError && size == 1, r == '/', r == '\\', r == '%':
		return false
	case r < 0x20, r >= 0x7f && r < 0xa0: // C0 and C1 control characters, DEL
		return false
	case r == '.' && leading:
		return false
	}
	return true
}
