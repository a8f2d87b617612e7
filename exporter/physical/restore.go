package physical

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"strconv"
	"strings"
	"time"

	"github.com/PlakarKorp/kloset/connectors"

	"github.com/PlakarKorp/integration-postgresql/internal/options"
	"github.com/PlakarKorp/integration-postgresql/internal/recordname"
	"github.com/PlakarKorp/integration-postgresql/internal/replication"
	"github.com/PlakarKorp/integration-postgresql/manifest"
)

// Files and directories of a data directory.
const (
	versionFile    = "PG_VERSION"
	controlFile    = "global/pg_control"
	walDir         = "pg_wal"
	linkDir        = "pg_tblspc"
	tablespaceDir  = "tablespaces" // of ours: the tablespaces that have no place of their own
	autoConf       = "postgresql.auto.conf"
	recoverySignal = "recovery.signal"
	standbySignal  = "standby.signal"
)

// incompleteControl is what pg_control is called until the restore is complete.
const incompleteControl = controlFile + ".plakar-incomplete"

// firstWithManifest is the first major version whose backups have a backup manifest,
// firstWithSignals the first with recovery.signal in place of recovery.conf.
const (
	firstWithManifest = 13
	firstWithSignals  = 12
)

// blockSize is what is written at once, in bytes.
const blockSize = 1 << 20

// restore is one that has begun.
type restore struct {
	options *options.PhysicalRestore
	plan    *plan
	buffer  []byte

	major    int                // from PG_VERSION, 0 before it came
	snapshot *manifest.Physical // manifest.json, nil before it came
	check    *checker
	bound    map[string]*directory // the tablespaces with a place of their own, by OID
	links    map[string]bool       // OIDs of the tablespaces that there are
	filled   []filled              // the directories, each one before those in it
	control  bool                  // pg_control came
	standby  bool                  // standby.signal came
	warnings []string
}

// filled is a directory, with what it gets only when everything is in it: files could not be made in one that is
// read-only, unless by root, and each one changes its time.
type filled struct {
	place    place
	mode     fs.FileMode
	modified time.Time
}

func newRestore(o *options.PhysicalRestore, p *plan) *restore {
	return &restore{
		options: o, plan: p, buffer: make([]byte, blockSize), check: newChecker(),
		bound: make(map[string]*directory), links: make(map[string]bool),
	}
}

// record restores one record. A problem is one of its content; err ends the restore.
func (r *restore) record(record *connectors.Record, content io.Reader) (problem, err error) {
	name := strings.TrimPrefix(record.Pathname, "/")
	if name == "" {
		name = "."
	}
	if !fs.ValidPath(name) || name == markerName {
		return nil, fmt.Errorf("the snapshot has an entry %q, which no data directory has", record.Pathname)
	}
	if err := r.admit(record.Pathname, name); err != nil {
		return nil, err
	}
	info := record.FileInfo
	switch mode := info.Mode(); {
	case mode.IsDir():
		return nil, r.directory(name, info)
	case mode.IsRegular():
		return r.file(name, info, content)
	case mode&fs.ModeSymlink != 0:
		return nil, r.link(name, record.Target)
	}
	return nil, fmt.Errorf("the snapshot has %q, which is neither a file, a directory nor a link: no base backup has that", record.Pathname)
}

// wrongSnapshot says what can be restored here.
const wrongSnapshot = "a restore into a data directory takes a whole snapshot of postgres+bin://, without a path behind it"

// admit refuses, as early as it can be known, what is no physical backup. plakar sends
// names in their order: what has to be there is there before what comes behind it.
func (r *restore) admit(pathname, name string) error {
	if name == "." || r.snapshot != nil {
		return nil
	}
	if _, isDump := recordname.Database(pathname); r.major == 0 && (isDump || pathname == recordname.Globals || strings.HasPrefix(pathname, "/00000-")) {
		return errors.New("this is a logical backup (postgres://), not a data directory\nhint: restore it into a running server, plakar restore -to postgres://user@host/ SNAPSHOT")
	}
	if r.major == 0 && IsWAL(pathname) {
		return errors.New("this is WAL, and there is no base backup yet that it could be restored to: restore the base backup first, then the WAL into the same directory")
	}
	top, _, _ := strings.Cut(name, "/")
	switch {
	case top > versionFile && r.major == 0, len(r.check.early) > maxEarly:
		return fmt.Errorf("the snapshot has no file %s at its top: %s", versionFile, wrongSnapshot)
	case top > replication.ManifestName && r.major >= firstWithManifest && !r.check.ready:
		return fmt.Errorf("the snapshot has no %s at its top: it was no base backup, or the file was left out: %s", replication.ManifestName, wrongSnapshot)
	case top > recordname.Manifest[1:]:
		return fmt.Errorf("the snapshot has no %s at its top: %s", recordname.Manifest[1:], wrongSnapshot)
	}
	return nil
}

// noted takes in the files that say something about the backup.
func (r *restore) noted(name string, at place) error {
	switch name {
	case versionFile:
		text, err := at.root.ReadFile(at.name)
		if err != nil {
			return err
		}
		digits := strings.TrimSpace(string(text))
		// Before version 10, it is 9.6.
		digits, _, _ = strings.Cut(digits, ".")
		if r.major, err = strconv.Atoi(digits); err != nil {
			return fmt.Errorf("the snapshot's %s is %q: not a version of PostgreSQL", versionFile, text)
		}
		r.check.without = r.major < firstWithManifest
	case replication.ManifestName:
		return r.read(at, r.check.read)
	case recordname.Manifest[1:]:
		err := r.read(at, func(f io.Reader) (err error) {
			r.snapshot, err = manifest.ReadPhysical(f)
			return err
		})
		if err != nil {
			return err
		}
		if r.snapshot.DumpFormat != "basebackup" {
			return fmt.Errorf("the snapshot is not a physical backup: its %s says %q: %s", recordname.Manifest[1:], r.snapshot.DumpFormat, wrongSnapshot)
		}
		return r.checkTablespaces()
	case controlFile:
		r.control = true
	case standbySignal:
		r.standby = true
	}
	return nil
}

// read opens what was written and gives it to f.
func (r *restore) read(at place, f func(io.Reader) error) error {
	file, err := at.root.Open(at.name)
	if err != nil {
		return err
	}
	defer func() { _ = file.Close() }()
	return f(file)
}

// exists reports whether the data directory has an entry.
func (r *restore) exists(name string) bool {
	_, err := r.plan.data.root.Lstat(name)
	return err == nil
}

// readConfig returns a configuration file of the data directory, empty if there is none.
func (r *restore) readConfig(name string) ([]byte, error) {
	text, err := r.plan.data.root.ReadFile(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	return bytes.ToValidUTF8(text, []byte("\uFFFD")), err
}

// written names the directories for a message about a restore that failed.
func (r *restore) written() string {
	all := r.plan.directories()
	if len(all) == 1 {
		return "it"
	}
	paths := make([]string, 0, len(all))
	for _, d := range all {
		paths = append(paths, d.path)
	}
	return strings.Join(paths, ", ")
}

// hint implements job.
func (r *restore) hint() string {
	return fmt.Sprintf("%s cannot be started; empty %s before you restore again", r.plan.data.path, r.written())
}

func (r *restore) close() error {
	errs := make([]error, 0, 1)
	for _, d := range r.plan.directories() {
		errs = append(errs, d.close())
	}
	return errors.Join(errs...)
}

// place is where an entry goes.
type place struct {
	root *os.Root
	name string // below it
}

// place tells where the entry of that name in the snapshot goes.
func (r *restore) place(name string) place {
	if name == controlFile {
		name = incompleteControl
	}
	top, rest, _ := strings.Cut(name, "/")
	switch {
	case top == walDir && r.plan.wal != nil:
		return place{r.plan.wal.root, path.Clean(rest)}
	case top == tablespaceDir:
		oid, inside, _ := strings.Cut(rest, "/")
		if d := r.bound[oid]; d != nil {
			return place{d.root, path.Clean(inside)}
		}
	}
	return place{r.plan.data.root, name}
}
