package physical

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/PlakarKorp/integration-postgresql/internal/wal"
)

const walMarkerText = "A restore of WAL into this directory is going on, or did not end.\n" +
	"It cannot be started. Restore the WAL again to complete it.\n"

// incoming is what a file in storeDir is called while it is written.
const incoming = "incoming.tmp"

// take makes the directory one that cannot be started, and keeps other restores out. What
// is wrong with a snapshot as a whole is known before.
func (w *walRestore) take() (err error) {
	if w.lock != nil {
		return nil
	}
	root := w.data.root
	marker, err := root.OpenFile(markerName, os.O_WRONLY|os.O_CREATE, 0o600)
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, marker.Close())
		}
	}()
	if err := w.lockMarker(marker); err != nil {
		return err
	}
	if err := errors.Join(w.owner.giveFile(marker), writeAll(marker, walMarkerText)); err != nil {
		return err
	}
	if err := w.hideControl(); err != nil {
		return errors.Join(err, root.Remove(markerName))
	}
	w.lock = marker
	if err := w.wal.Mkdir(storeDir, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	if err := errors.Join(w.wal.Chmod(storeDir, w.access.directory), w.owner.giveIn(w.wal, storeDir)); err != nil {
		return err
	}
	w.store, err = w.wal.OpenRoot(storeDir)
	return err
}

// lockMarker locks the marker: unlike its being there, a lock ends with the process. The
// restore that held it before may have removed it meanwhile.
func (w *walRestore) lockMarker(marker *os.File) error {
	err := unix.Flock(int(marker.Fd()), unix.LOCK_EX|unix.LOCK_NB) // #nosec G115 -- a file descriptor
	if err == nil {
		var named, opened fs.FileInfo
		named, err = w.data.root.Lstat(markerName)
		if err == nil {
			opened, err = marker.Stat()
		}
		if err == nil && os.SameFile(named, opened) {
			return nil
		}
	}
	if errors.Is(err, unix.EWOULDBLOCK) || errors.Is(err, fs.ErrNotExist) || err == nil {
		return w.data.refused(fmt.Errorf("another restore of WAL into %s is going on (%s)", w.data.path, markerName))
	}
	return err
}

// hideControl renames pg_control. A server that starts meanwhile either has its
// postmaster.pid by now, or finds no pg_control.
func (w *walRestore) hideControl() error {
	root := w.data.root
	if !w.data.has(controlFile) {
		return nil // an earlier restore has done so
	}
	if err := root.Rename(controlFile, walControl); err != nil {
		return err
	}
	if w.data.has(pidFile) || !w.data.has(labelFile) {
		return errors.Join(root.Rename(walControl, controlFile), w.data.refused(fmt.Errorf("a server was started on %s meanwhile", w.data.path)))
	}
	return syncDirectory(root, path.Dir(controlFile))
}

// replace writes a file below root anew. What an earlier restore left half-written goes.
func (w *walRestore) replace(root *os.Root, name string, text []byte) error {
	if err := root.Remove(name + temporarySuffix); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return replaceFile(root, w.owner, w.access.file, name, text)
}

func writeAll(f *os.File, text string) error {
	_, err := f.WriteAt([]byte(text), 0)
	return err
}

// history restores a timeline's history file.
func (w *walRestore) history(name string, content io.Reader) error {
	text, err := readSmall(content)
	if err != nil {
		return err
	}
	timeline, err := wal.ParseHistoryName(name)
	if err != nil {
		return err
	}
	if _, err := wal.ParseHistory(timeline, text); err != nil {
		return err
	}
	if err := w.take(); err != nil {
		return err
	}
	before, err := w.store.ReadFile(name)
	if err == nil && !bytes.Equal(before, text) {
		return fmt.Errorf("there is another %s already: %w", name, errOtherHistory)
	}
	return w.replace(w.store, name, text)
}

// errOtherHistory is WAL that does not belong together.
var errOtherHistory = errors.New("the snapshots are not of one history of the cluster, as after a copy of it wrote WAL under the same names; use those of one of them, with a base backup that is restored anew")

// segment restores a segment, unless it lies before the base backup.
func (w *walRestore) segment(name string, content io.Reader) error {
	bare, partial := strings.CutSuffix(name, wal.PartialSuffix)
	segment, err := wal.ParseSegment(bare, w.base.segmentSize())
	if err != nil {
		return err
	}
	if segment.End() <= w.base.start || partial && w.base.has(segment) {
		return nil // what came with the base backup is more: that of a run during it would take its place
	}
	buffered := bufio.NewReaderSize(content, blockSize)
	header, err := buffered.Peek(wal.FirstPageHeaderSize)
	switch {
	case errors.Is(err, io.EOF) && len(header) == 0:
		return nil // the WAL begins after it
	case err != nil && !errors.Is(err, io.EOF):
		return streamError(err)
	case partial && len(bytes.Trim(header, "\x00")) == 0:
		return nil // nothing was written to it yet
	}
	if err := w.checkPage(header, segment); err != nil {
		return err
	}
	if err := w.take(); err != nil {
		return err
	}
	if err := w.receive(buffered, partial); err != nil {
		return err
	}
	if err := w.compareOwn(name, segment, partial); err != nil {
		return w.completedBy("restore WAL of the base backup's own history into it", errors.Join(err, w.store.Remove(incoming)))
	}
	return w.keep(name, partial)
}

// compareOwn makes sure that a segment that came with the base backup as well is the same: a
// server would take the other one, and find the backup's beginning nowhere or elsewhere. In a
// standby's backup, the last one may not be full: what counts is the WAL up to the backup's end, or as
// much of that as a partial one has.
func (w *walRestore) compareOwn(name string, segment wal.Segment, partial bool) error {
	if !w.base.own[segment] || partial && !w.base.standby {
		return nil
	}
	counts := segment.Size
	if w.base.standby {
		counts = uint64(max(segment.Start, min(segment.End(), w.base.end)) - segment.Start)
	}
	c, err := compareFiles(w.wal, strings.TrimSuffix(name, wal.PartialSuffix), path.Join(storeDir, incoming))
	if partial {
		counts = min(counts, c.endB)
	}
	if err == nil && !c.agree(counts) {
		err = fmt.Errorf("the base backup came with another segment of that name: %w", errOtherHistory)
	}
	return err
}

// checkPage makes sure that a segment is what its name says, and of the base backup's cluster.
func (w *walRestore) checkPage(header []byte, segment wal.Segment) error {
	page, err := wal.ParseFirstPage(header)
	if err != nil {
		return err
	}
	if err := w.checkSystem(page.SystemID); err != nil {
		return err
	}
	switch {
	case uint64(page.SegmentSize) != segment.Size:
		return fmt.Errorf("it is of a cluster with segments of %d bytes, the base backup of one with %d", page.SegmentSize, segment.Size)
	case page.Magic != w.base.page.Magic:
		return fmt.Errorf("it was written by another major version of PostgreSQL than %d", w.base.major)
	case page.Address != segment.Start || page.Timeline > segment.Timeline:
		return fmt.Errorf("its first page is that at %s of timeline %d", page.Address, page.Timeline)
	}
	return nil
}

// receive writes a segment under another name. A partial one is filled up with zeros.
func (w *walRestore) receive(content io.Reader, partial bool) error {
	if err := w.store.Remove(incoming); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	f, err := w.store.OpenFile(incoming, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	size := int64(w.base.page.SegmentSize)
	n, err := io.CopyBuffer(f, io.LimitReader(content, size+1), w.buffer)
	err = streamError(err)
	if err == nil && (n > size || n < size && !partial) {
		err = fmt.Errorf("it has %d bytes in place of the %d of a segment of this cluster", n, size)
	}
	if err == nil && n < size {
		err = f.Truncate(size)
	}
	if err == nil {
		startWriteback(f)
	}
	if err = errors.Join(err, f.Chmod(w.access.file), w.owner.giveFile(f), f.Close()); err != nil {
		return errors.Join(err, w.store.Remove(incoming))
	}
	return nil
}

// streamError explains what plakar does when its store is damaged.
func streamError(err error) error {
	if errors.Is(err, io.ErrUnexpectedEOF) {
		return fmt.Errorf("plakar stopped sending it: see its own message, is the store damaged? (%w)", err)
	}
	return err
}

// keep gives what was received its name. A segment that is there already has to be the same; of
// two partial ones, that with more WAL counts, and the other one has to be its beginning.
func (w *walRestore) keep(name string, partial bool) error {
	info, err := w.store.Lstat(name)
	if errors.Is(err, fs.ErrNotExist) || err == nil && info.Size() == 0 {
		return w.store.Rename(incoming, name)
	}
	if err != nil {
		return err
	}
	c, err := compareFiles(w.store, name, incoming)
	switch {
	case err != nil:
		return err
	case c.agree(w.base.segmentSize()), partial && c.agree(c.endB) && c.endB <= c.endA:
		return w.store.Remove(incoming)
	case partial && c.agree(c.endA):
		return w.store.Rename(incoming, name)
	}
	return fmt.Errorf("another segment of that name was restored before: %w", errOtherHistory)
}
