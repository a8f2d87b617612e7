package logical

import (
	"path"
	"slices"
	"strings"

	"github.com/PlakarKorp/integration-postgresql/internal/recordname"
)

// kind is what a record of a snapshot is to a restore.
type kind int

const (
	unknown            kind = iota
	document                // manifest.json
	clusterDescription      // 00000-cluster.json
	globalsScript           // roles and tablespaces
	dump                    // one database
	dumpPart
	physical // part of a data directory
)

// route tells what the file at pathname is, and of which database; a part may not
// tell that.
func route(pathname string) (kind, string) {
	base := path.Base(pathname)
	switch {
	case base == path.Base(recordname.Manifest) && path.Dir(pathname) == "/":
		return document, ""
	case base == path.Base(recordname.Cluster):
		return clusterDescription, ""
	case base == path.Base(recordname.Globals):
		return globalsScript, ""
	}
	if name, ok := recordname.Database(pathname); ok {
		return dump, name
	}
	if p, ok := recordname.ParsePart(pathname); ok {
		return dumpPart, p.Database
	}
	// Names that only a data directory has.
	// Source: https://www.postgresql.org/docs/18/storage-file-layout.html
	top, _, _ := strings.Cut(strings.TrimPrefix(pathname, "/"), "/")
	if slices.Contains([]string{"PG_VERSION", "base", "global", "backup_label", "pg_wal", "pg_xact"}, top) {
		return physical, ""
	}
	return unknown, ""
}
