package physical

import (
	"fmt"
	"io/fs"
	"path"
	"regexp"
	"strings"

	"github.com/PlakarKorp/integration-postgresql/internal/recordname"
	"github.com/PlakarKorp/integration-postgresql/internal/replication"
)

// Directories of a data directory. PostgreSQL follows the links in linkDir; the
// tablespaces themselves are stored below the data directory, so that a
// restored one starts wherever it is.
const (
	linkDir       = "pg_tblspc"
	tablespaceDir = "tablespaces"
)

// layout decides where the entries of the archives go.
type layout struct {
	// hasArchive are the OIDs of the tablespaces whose content comes in an archive of
	// their own. The others lie within the data directory, and come with it.
	hasArchive map[string]bool
	all        []replication.Tablespace
}

// newLayout takes the tablespaces as the server lists them. A cluster that was
// restored from such a backup has relative links: the server follows those from
// the wrong directory, so what it sends in the tablespace's archive is not the
// tablespace. The link of an in-place tablespace is relative as well, but right.
func newLayout(tablespaces []replication.Tablespace) layout {
	l := layout{hasArchive: make(map[string]bool), all: tablespaces}
	for _, t := range tablespaces {
		l.hasArchive[t.OID] = path.IsAbs(t.Location) || t.Location == linkDir+"/"+t.OID
	}
	return l
}

// destination is where one entry goes.
type destination struct {
	name       string // in the data directory, as the backup manifest names it
	path       string // of the record, from the root of the snapshot; "" if it is left out
	tablespace string // OID of the tablespace that it belongs to, or ""
	link       bool   // it is the entry of the tablespace in linkDir
}

// resolve places the entry of an archive. The name must be one within the data
// directory.
func (l layout) resolve(archive, entry string) (destination, error) {
	name := strings.TrimSuffix(strings.TrimPrefix(entry, "./"), "/")
	if !fs.ValidPath(name) || name == "." {
		return destination{}, fmt.Errorf("the server sent a file named %q: not a name within a data directory that can be stored", entry)
	}
	if archive != baseArchive {
		oid, ok := strings.CutSuffix(archive, ".tar")
		if _, known := l.hasArchive[oid]; !ok || !known {
			return destination{}, fmt.Errorf("the server sent an unknown archive %q", archive)
		}
		p := destination{name: path.Join(linkDir, oid, name), tablespace: oid}
		if l.hasArchive[oid] {
			p.path = path.Join("/", tablespaceDir, oid, name)
		}
		return p, nil
	}
	return l.resolveBase(name), nil
}

// resolveBase places an entry of the data directory.
func (l layout) resolveBase(name string) destination {
	p := destination{name: name, path: "/" + name}
	dir, rest, _ := strings.Cut(name, "/")
	oid, inside, _ := strings.Cut(rest, "/")
	switch {
	case name == recordname.Manifest[1:]:
		p.path = "" // of the snapshot that this data directory was restored from
	case oid == "":
	case dir == linkDir:
		p.tablespace, p.link = oid, inside == ""
		p.path = path.Join("/", tablespaceDir, oid, inside)
	case dir == tablespaceDir && l.hasArchive[oid]:
		p.path = "" // left from a restore; the tablespace is elsewhere now
	}
	return p
}

// versionDir matches the directory that every tablespace has, even an empty one.
var versionDir = regexp.MustCompile(`^/` + tablespaceDir + `/([0-9]+)/PG_[0-9]+_[0-9]+$`)

// checkTablespaces checks, when all has been sent, that the content of every tablespace is
// among it: behind a relative link the server finds the data directory's own
// directories only, and it never follows a link to one of those.
func (l layout) checkTablespaces(directories map[string]bool) error {
	sent := make(map[string]bool)
	for dir := range directories {
		if match := versionDir.FindStringSubmatch(dir); match != nil {
			sent[match[1]] = true
		}
	}
	for _, t := range l.all {
		asRestored := path.Join(linkDir, t.Location) == path.Join(tablespaceDir, t.OID)
		if !sent[t.OID] || !l.hasArchive[t.OID] && !asRestored {
			return fmt.Errorf("the tablespace %s (location %q) was not sent by the server\nhint: stop the server and make the link %s/%s an absolute one, to where the tablespace really is",
				t.OID, t.Location, linkDir, t.OID)
		}
	}
	return nil
}
