package physical

import (
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"path"
	"strings"

	"github.com/PlakarKorp/kloset/objects"

	"github.com/PlakarKorp/integration-postgresql/internal/backupmanifest"
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// file writes a file while it arrives, and compares it with the backup manifest.
func (r *restore) file(name string, info objects.FileInfo, content io.Reader) (problem, err error) {
	at := r.place(name)
	sum, err := r.write(at, info, content)
	if err != nil {
		return nil, fmt.Errorf("restoring %q: %w", name, err)
	}
	if err := r.noted(name, at); err != nil {
		return nil, err
	}
	return r.check.file(r.manifestNames(name), sum), nil
}

// write makes a file, which must not be there.
func (r *restore) write(at place, info objects.FileInfo, content io.Reader) (sum backupmanifest.Sum, err error) {
	f, err := at.root.OpenFile(at.name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return sum, err
	}
	defer func() {
		if closeErr := f.Close(); err == nil && closeErr != nil {
			err = closeErr
		}
		if err == nil {
			err = at.root.Chtimes(at.name, info.ModTime(), info.ModTime())
		}
	}()
	if err := r.plan.owner.giveFile(f); err != nil {
		return sum, err
	}
	if perm := info.Mode().Perm(); perm != 0o600 {
		if err := f.Chmod(perm); err != nil {
			return sum, err
		}
	}
	if content == nil {
		return sum, nil
	}
	crc := crc32.New(castagnoli)
	sum.Size, err = io.CopyBuffer(io.MultiWriter(f, crc), content, r.buffer)
	sum.CRC = crc.Sum32()
	if errors.Is(err, io.ErrUnexpectedEOF) {
		err = fmt.Errorf("plakar stopped sending it: see its own message, is the store damaged? (%w)", err)
	}
	if err == nil && sum.Size >= blockSize {
		startWriteback(f)
	}
	return sum, err
}

// directory makes a directory. That of the WAL and those of tablespaces may be elsewhere,
// and are there already.
func (r *restore) directory(name string, info objects.FileInfo) error {
	at := r.place(name)
	if name == walDir && r.plan.wal != nil {
		if err := r.symlink(walDir, r.plan.wal.path); err != nil {
			return err
		}
	}
	if err := r.mkdir(at); err != nil {
		return fmt.Errorf("restoring the directory %q: %w", name, err)
	}
	r.filled = append(r.filled, filled{at, info.Mode().Perm(), info.ModTime()})
	return nil
}

// mkdir makes a directory that only its owner can use, whatever the umask, until everything is in it.
func (r *restore) mkdir(at place) error {
	if at.name != "." {
		if err := at.root.Mkdir(at.name, 0o700); err != nil {
			return err
		}
	}
	return errors.Join(r.plan.owner.giveIn(at.root, at.name), at.root.Chmod(at.name, 0o700))
}

// link makes the link of a tablespace, the only kind that a base backup has.
func (r *restore) link(name, target string) error {
	dir, oid := path.Split(name)
	if dir != linkDir+"/" || target != path.Join("..", tablespaceDir, oid) {
		return fmt.Errorf("the snapshot has the link %q to %q, which is not one of a tablespace: no base backup has that", name, target)
	}
	r.links[oid] = true
	d, err := r.bind(oid)
	if err != nil {
		return err
	}
	if d != nil {
		target = d.path
	}
	return r.symlink(name, target)
}

// symlink makes a link in the data directory.
func (r *restore) symlink(name, target string) error {
	root := r.plan.data.root
	if err := errors.Join(root.Symlink(target, name), r.plan.owner.giveIn(root, name)); err != nil {
		return fmt.Errorf("restoring the link %q: %w", name, err)
	}
	return nil
}

// manifestNames are the names that the backup manifest may have for a file: that of one
// in a tablespace begins with pg_tblspc, unless the server found it in the data
// directory, as in a cluster that was restored itself.
func (r *restore) manifestNames(name string) []string {
	if rest, ok := strings.CutPrefix(name, tablespaceDir+"/"); ok {
		return []string{path.Join(linkDir, rest), name}
	}
	return []string{name}
}
