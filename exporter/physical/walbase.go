package physical

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/PlakarKorp/integration-postgresql/internal/recordname"
	"github.com/PlakarKorp/integration-postgresql/internal/wal"
	"github.com/PlakarKorp/integration-postgresql/manifest"
)

const (
	labelFile = "backup_label" // is renamed when a server starts
	pidFile   = "postmaster.pid"
)

// walControl is what pg_control is called until the WAL is complete.
const walControl = controlFile + ".plakar-wal-incomplete"

// findBase reports whether the directory is one that WAL can be restored into: a restore of
// a base backup made it, and no server was started on it. It touches nothing.
func findBase(path string) (bool, error) {
	d := &directory{option: "location", path: path}
	there, err := d.look()
	if err != nil || !there {
		return false, err
	}
	if err := d.openRoot(); err != nil {
		return false, d.refused(err)
	}
	defer func() { _ = d.root.Close() }()
	return d.holdsBase()
}

// holdsBase is findBase for a directory that is open.
func (d *directory) holdsBase() (bool, error) {
	auto, err := d.root.ReadFile(autoConf)
	if err != nil || !bytes.Contains(auto, []byte(blockBegin+"\n")) || d.has(incompleteControl) || !d.has(recordname.Manifest[1:]) {
		return false, nil //nolint:nilerr // it is something else, and said by who wants it empty
	}
	switch {
	case d.has(pidFile):
		return false, d.refused(fmt.Errorf("%s is not empty: a server uses it, or did (%s)", d.path, pidFile))
	case !d.has(labelFile):
		return false, d.refused(fmt.Errorf("%s is not empty: a server was started on the base backup that was restored there\n"+
			"hint: to recover it again, up to another moment, empty it, restore the base backup, and then the WAL", d.path))
	}
	signal := d.has(recoverySignal) || d.has(standbySignal)
	return signal && (d.has(controlFile) || d.has(walControl)), nil
}

// has reports whether there is an entry of that name.
func (d *directory) has(name string) bool {
	_, err := d.root.Lstat(name)
	return err == nil
}

// ownerOf returns whom the directory belongs to.
func (d *directory) ownerOf() (owner, error) {
	info, err := d.root.Stat(".")
	if err != nil {
		return owner{}, err
	}
	stat, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return owner{}, fmt.Errorf("the owner of %s is not known", d.path)
	}
	return owner{uid: int(stat.Uid), gid: int(stat.Gid), give: os.Geteuid() == 0}, nil
}

// openWAL opens pg_wal, which may be a link to a directory elsewhere. That has to belong
// to the owner of the data directory, who could lead us anywhere otherwise.
func (d *directory) openWAL(own owner) (*os.Root, error) {
	target, err := d.root.Readlink(walDir)
	if err != nil || !filepath.IsAbs(target) {
		return d.root.OpenRoot(walDir)
	}
	elsewhere := &directory{option: "wal_dir", path: target}
	if _, err := elsewhere.look(); err != nil {
		return nil, err
	}
	if err := elsewhere.openRoot(); err != nil {
		return nil, elsewhere.refused(err)
	}
	there, err := elsewhere.ownerOf()
	if err == nil && there.uid != own.uid {
		err = fmt.Errorf("%s leads to %s, which belongs to another user than the data directory", walDir, target)
	}
	if err != nil {
		return nil, errors.Join(err, elsewhere.root.Close())
	}
	return elsewhere.root, nil
}

// base is the base backup in a directory that WAL is restored into.
type base struct {
	major    int
	start    wal.LSN      // recovery begins there
	end      wal.LSN      // the data is consistent from there on
	timeline wal.Timeline // of end
	// endTime is the server's clock then; zero if not known.
	endTime time.Time
	standby bool // it was taken from a standby
	// page is that of the first page of a segment: it tells the cluster, its version and
	// the size of its segments.
	page wal.FirstPage
	own  map[wal.Segment]bool // the segments that came with it
}

// has reports whether a segment came with the base backup to its end. At the end of a backup, a primary
// goes on with the next segment; a standby does not.
func (b *base) has(s wal.Segment) bool { return b.own[s] && (!b.standby || s.End() <= b.end) }

// readBase reads what there is to know of a base backup.
func readBase(data, walRoot *os.Root) (*base, error) {
	version, err := data.ReadFile(versionFile)
	if err != nil {
		return nil, err
	}
	b := &base{own: make(map[wal.Segment]bool)}
	if b.major, err = strconv.Atoi(strings.TrimSpace(string(version))); err != nil || b.major < firstWithSignals {
		return nil, fmt.Errorf("WAL can be restored for PostgreSQL %d and later, this is a cluster of %q", firstWithSignals, bytes.TrimSpace(version))
	}
	if err := b.readLabel(data); err != nil {
		return nil, err
	}
	if err := b.readManifest(data); err != nil {
		return nil, err
	}
	return b, b.readOwn(walRoot)
}

// labelLine matches the lines of a backup_label that count here.
// Source: https://www.postgresql.org/docs/18/continuous-archiving.html#BACKUP-LOWLEVEL-BASE-BACKUP-DATA
var labelLine = regexp.MustCompile(`(?m)^(START WAL LOCATION|START TIMELINE|START TIME|BACKUP FROM): (.*)$`)

func (b *base) readLabel(data *os.Root) error {
	label, err := data.ReadFile(labelFile)
	if err != nil {
		return err
	}
	for _, match := range labelLine.FindAllSubmatch(label, -1) {
		value, _, _ := strings.Cut(string(match[2]), " (file ")
		switch string(match[1]) {
		case "START WAL LOCATION":
			b.start, err = wal.ParseLSN(value)
		case "START TIMELINE":
			var n uint64
			n, err = strconv.ParseUint(value, 10, 32)
			b.timeline = wal.Timeline(n) // #nosec G115 -- of 32 bits
		case "BACKUP FROM":
			b.standby = value == "standby"
		}
		if err != nil {
			return fmt.Errorf("%s: %w", labelFile, err)
		}
	}
	if b.start == 0 || b.timeline == 0 {
		return fmt.Errorf("%s does not say where recovery begins", labelFile)
	}
	b.end = b.start
	return nil
}

// readManifest takes what manifest.json says. In older snapshots and with servers before 13
// that is nothing: the WAL has to begin where the backup began, then.
func (b *base) readManifest(data *os.Root) error {
	f, err := data.Open(recordname.Manifest[1:])
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }()
	m, err := manifest.ReadPhysical(f)
	if err != nil {
		return err
	}
	if m.DumpFormat != "basebackup" || m.Base == nil {
		return nil
	}
	if b.end, err = wal.ParseLSN(m.Base.EndLSN); err != nil {
		return fmt.Errorf("%s: %w", recordname.Manifest[1:], err)
	}
	b.timeline = wal.Timeline(m.Base.Timeline)
	if m.Base.EndTime != nil {
		b.endTime = *m.Base.EndTime
	}
	return nil
}

// readOwn finds the segments that came with the backup. Without one, nothing is known of
// the cluster.
func (b *base) readOwn(walRoot *os.Root) error {
	entries, err := fs.ReadDir(walRoot.FS(), ".")
	if err != nil {
		return err
	}
	for _, entry := range entries {
		if wal.KindOf(entry.Name()) != wal.Complete || !entry.Type().IsRegular() {
			continue
		}
		if b.page.SegmentSize == 0 {
			if b.page, err = readFirstPage(walRoot, entry.Name()); err != nil {
				return fmt.Errorf("%s/%s: %w", walDir, entry.Name(), err)
			}
		}
		segment, err := wal.ParseSegment(entry.Name(), b.segmentSize())
		if err != nil {
			return err
		}
		b.own[segment] = true
	}
	if b.page.SegmentSize == 0 {
		return fmt.Errorf("there is no segment in %s: those of the base backup are needed", walDir)
	}
	return nil
}

// segmentSize is that of the cluster's segments, in bytes.
func (b *base) segmentSize() uint64 { return uint64(b.page.SegmentSize) }

// readFirstPage reads the header of a segment's first page.
func readFirstPage(root *os.Root, name string) (wal.FirstPage, error) {
	f, err := root.Open(name)
	if err != nil {
		return wal.FirstPage{}, err
	}
	defer func() { _ = f.Close() }()
	header := make([]byte, wal.FirstPageHeaderSize)
	if _, err := io.ReadFull(f, header); err != nil {
		return wal.FirstPage{}, err
	}
	return wal.ParseFirstPage(header)
}
