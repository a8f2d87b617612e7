package physical

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"regexp"
	"strconv"

	"github.com/PlakarKorp/kloset/connectors"

	"github.com/PlakarKorp/integration-postgresql/internal/options"
	"github.com/PlakarKorp/integration-postgresql/internal/recordname"
	"github.com/PlakarKorp/integration-postgresql/internal/wal"
	"github.com/PlakarKorp/integration-postgresql/manifest"
)

// storeDir is where the WAL goes, in pg_wal; restoreCommand has it as well.
const storeDir = "plakar"

// compressedName matches what pg_receivewal --compress makes of a segment.
var compressedName = regexp.MustCompile(`^[0-9A-F]{24}(\.partial)?\.(gz|lz4|zst|bz2|xz)$`)

// sumDirectory holds files of WAL snapshots that are named like segments and are none.
var sumDirectory = path.Dir(wal.Segment{Size: wal.MinSegmentSize}.SumPath())

// maxSmall is how long a manifest.json or a history file may be, in bytes: it is held.
const maxSmall = 1 << 20

// walRestore restores WAL into a directory with a base backup.
type walRestore struct {
	options *options.PhysicalRestore
	data    *directory
	wal     *os.Root // pg_wal
	store   *os.Root // pg_wal/plakar, nil before something was written
	owner   owner
	access  access
	base    *base
	lock    *os.File // the marker, nil before something was written
	buffer  []byte

	ends     []manifest.WALEnd // what the snapshot says about its end
	complete string            // which restore completes this one; "" for the same again
	recovery *Recovery         // nil before all is there for it
}

// newWALRestore opens the directory and checks what the options say. It changes nothing.
func newWALRestore(o *options.PhysicalRestore, path string) (_ job, err error) {
	w := &walRestore{options: o, data: &directory{option: "location", path: path}, buffer: make([]byte, blockSize)}
	defer func() {
		if err != nil {
			err = errors.Join(err, w.close())
		}
	}()
	if _, err := w.data.look(); err != nil {
		return nil, err
	}
	if err := w.data.openRoot(); err != nil {
		return nil, w.data.refused(err)
	}
	if found, err := w.data.holdsBase(); err != nil || !found {
		return nil, errors.Join(err, w.data.refused(fmt.Errorf("%s changed while it was opened", path)))
	}
	if w.owner, err = w.data.ownerOf(); err != nil {
		return nil, err
	}
	if w.access, err = findAccess(w.data.root); err != nil {
		return nil, err
	}
	if w.wal, err = w.data.openWAL(w.owner); err != nil {
		return nil, err
	}
	if w.base, err = readBase(w.data.root, w.wal); err != nil {
		return nil, fmt.Errorf("the base backup in %s: %w", path, err)
	}
	return w, errors.Join(w.data.checkCreatable(), w.checkPlaces(), w.checkTarget())
}

// checkPlaces accepts the options that the base backup was restored with, so that one
// destination serves both.
func (w *walRestore) checkPlaces() error {
	if w.options.Owner != "" {
		own, err := findOwner(w.options.Owner, os.Geteuid())
		if err != nil {
			return err
		}
		if own.uid != w.owner.uid {
			return fmt.Errorf("option \"owner\": %s belongs to another user: leave it out", w.data.path)
		}
	}
	links := make(map[string]bool)
	names, _ := fs.Glob(w.data.root.FS(), linkDir+"/*")
	for _, name := range append(names, walDir) {
		if target, err := w.data.root.Readlink(name); err == nil {
			links[target] = true
		}
	}
	if dir := w.options.WALDir; dir != "" && !links[path.Clean(dir)] {
		return fmt.Errorf("option \"wal_dir\": %s/%s does not lead to %s: leave it out, the base backup has its place", w.data.path, walDir, dir)
	}
	spaces, err := w.options.TablespaceMap()
	if err != nil {
		return err
	}
	for which, dir := range spaces {
		if !links[dir] {
			return fmt.Errorf("option \"tablespaces\": no tablespace is in %s, as was asked for %q: leave it out, the base backup has its places", dir, which)
		}
	}
	return nil
}

// record implements job.
func (w *walRestore) record(record *connectors.Record, content io.Reader) (problem, err error) {
	if !record.FileInfo.Mode().IsRegular() || content == nil {
		return nil, nil
	}
	name := path.Base(record.Pathname)
	switch kind := wal.KindOf(name); {
	case record.Pathname == wal.ManifestPath:
		return nil, restoring(w.manifest(content), record.Pathname)
	case record.Pathname == wal.SystemIdentifierPath:
		return nil, restoring(w.systemIdentifier(content), record.Pathname)
	case path.Dir(record.Pathname) == sumDirectory:
		return nil, nil
	case kind == wal.HistoryFile:
		return nil, restoring(w.history(name, content), record.Pathname)
	case kind == wal.Complete, kind == wal.Partial:
		return nil, restoring(w.segment(name, content), record.Pathname)
	case compressedName.MatchString(name):
		return nil, fmt.Errorf("%q is compressed, and a restore takes segments as PostgreSQL wrote them\n"+
			"hint: run pg_receivewal without --compress; plakar compresses by itself", record.Pathname)
	}
	return nil, w.refuseOther(record.Pathname)
}

// restoring says which entry an error is about.
func restoring(err error, pathname string) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("restoring %q: %w", pathname, err)
}

// refuseOther refuses snapshots of something else. Single files beside the WAL are
// passed over.
func (w *walRestore) refuseOther(pathname string) error {
	_, isDump := recordname.Database(pathname)
	switch {
	case pathname == "/"+versionFile, pathname == "/"+labelFile, pathname == recordname.Globals, isDump:
		return w.data.refused(fmt.Errorf("%s is not empty: it holds a base backup on which no server was started, and WAL is all that can be restored into it\n"+
			"hint: for another backup, empty it first", w.data.path))
	}
	return nil
}

// readSmall reads a file that is held.
func readSmall(content io.Reader) ([]byte, error) {
	text, err := io.ReadAll(io.LimitReader(content, maxSmall+1))
	if err == nil && len(text) > maxSmall {
		err = fmt.Errorf("it is longer than %d bytes", maxSmall)
	}
	return text, err
}

// systemIdentifier refuses the WAL of another cluster before anything is changed.
func (w *walRestore) systemIdentifier(content io.Reader) error {
	text, err := readSmall(content)
	if err != nil {
		return err
	}
	id, err := strconv.ParseUint(string(bytes.TrimSpace(text)), 10, 64)
	if err != nil {
		return nil //nolint:nilerr // somebody else's file
	}
	return w.checkSystem(id)
}

func (w *walRestore) checkSystem(id uint64) error {
	if id == w.base.page.SystemID {
		return nil
	}
	return fmt.Errorf("the WAL is of the cluster with the system identifier %d, the base backup in %s of that with %d", id, w.data.path, w.base.page.SystemID)
}

// manifest takes a manifest.json. It may be one of something else.
func (w *walRestore) manifest(content io.Reader) error {
	text, err := readSmall(content)
	if err != nil {
		return err
	}
	var m struct {
		DumpFormat string       `json:"dump_format"`
		SystemID   string       `json:"cluster_system_identifier"`
		WAL        manifest.WAL `json:"wal"`
	}
	if err := json.Unmarshal(text, &m); err != nil || m.DumpFormat != wal.DumpFormat {
		return nil //nolint:nilerr // somebody else's file
	}
	if id, err := strconv.ParseUint(m.SystemID, 10, 64); err == nil {
		if err := w.checkSystem(id); err != nil {
			return err
		}
	}
	w.ends = append(w.ends, m.WAL.End)
	return nil
}

// hint implements job.
func (w *walRestore) hint() string {
	switch {
	case w.lock == nil:
		return ""
	case w.complete != "":
		return fmt.Sprintf("%s cannot be started; %s", w.data.path, w.complete)
	}
	return fmt.Sprintf("%s cannot be started; to complete it, restore the same WAL snapshot into it again", w.data.path)
}

// close implements job.
func (w *walRestore) close() error {
	var errs []error
	for _, root := range []*os.Root{w.store, w.wal, w.data.root} {
		if root != nil {
			errs = append(errs, root.Close())
		}
	}
	if w.lock != nil {
		errs = append(errs, w.lock.Close())
	}
	return errors.Join(errs...)
}
