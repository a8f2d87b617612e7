package check

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// preparedName is the directory of a base backup that was restored and waits for its WAL. It is
// that of a check but for its name, which the sweep passes over.
const preparedName = "plakar-prepared"

// markerName is the file in it that says that it is ours, and what is there.
const markerName = "prepared.json"

// prepared is what the marker says.
type prepared struct {
	Version  int       `json:"version"`
	Major    int       `json:"major"` // of PostgreSQL
	Prepared time.Time `json:"prepared"`
	Snapshot Snapshot  `json:"snapshot"`
}

// preparedVersion is the version of the marker.
const preparedVersion = 1

// String says which base backup it is.
func (b *prepared) String() string {
	return fmt.Sprintf("the base backup%s, prepared at %s", b.Snapshot.text(), b.Prepared.Format(time.RFC3339))
}

func (p place) preparedDir() string { return filepath.Join(p.parent, preparedName) }

// findPrepared returns the base backup that waits there, which nobody else takes until the lock is
// closed; nil for none.
func (p place) findPrepared() (*prepared, *os.File, error) {
	dir := p.preparedDir()
	refused := func(err error) (*prepared, *os.File, error) {
		return nil, nil, fmt.Errorf("the prepared base backup in %s: %w", dir, err)
	}
	info, err := os.Lstat(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil, nil
	}
	if err != nil {
		return refused(err)
	}
	if stat, ok := info.Sys().(*syscall.Stat_t); !ok || int(stat.Uid) != p.user.UID {
		return refused(fmt.Errorf("it belongs to another user than the %d who the scratch server runs as: give the owner that it was prepared with", p.user.UID))
	}
	held, err := lock(dir)
	if errors.Is(err, unix.EWOULDBLOCK) {
		err = errors.New("another check has it")
	}
	if err != nil {
		return refused(err)
	}
	b, err := readMarker(dir)
	if err != nil {
		return refused(errors.Join(err, held.Close()))
	}
	return b, held, nil
}

func readMarker(dir string) (*prepared, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, err
	}
	defer func() { _ = root.Close() }()
	text, err := root.ReadFile(markerName)
	if err != nil {
		return nil, fmt.Errorf("it is not one that prepare=true made: %w", err)
	}
	var b prepared
	if err := json.Unmarshal(text, &b); err != nil {
		return nil, fmt.Errorf("%s: %w", markerName, err)
	}
	if b.Version != preparedVersion {
		return nil, fmt.Errorf("%s: its version is %d, only version %d is understood: remove the directory, and prepare the base backup again", markerName, b.Version, preparedVersion)
	}
	return &b, nil
}

// describePrepared says what waits there; "" for nothing.
func (p place) describePrepared() (string, error) {
	b, held, err := p.findPrepared()
	if b == nil {
		return "", err
	}
	return b.String(), held.Close()
}

// setAside gives the directory the name under which it waits for WAL: from now on no guard
// removes it. The marker is there already if b is nil.
func (s *scratch) setAside(b *prepared) error {
	if b != nil {
		text, err := json.Marshal(b)
		if err == nil {
			err = s.write(markerName, string(text)+"\n")
		}
		if err != nil {
			return err
		}
	}
	if err := os.Rename(s.dir, s.preparedDir()); err != nil {
		return fmt.Errorf("leaving the base backup for its WAL: %w", err)
	}
	_ = s.guard.Dismiss() // or it was killed; it finds nothing
	return s.lock.Close()
}

// adoptPrepared makes the directory that waits there, and is locked, that of a check.
func adoptPrepared(p place, held *os.File) (*scratch, error) {
	s, err := newScratch(p)
	if err != nil {
		return nil, err
	}
	s.lock = held
	if err := os.Rename(p.preparedDir(), s.dir); err != nil {
		return nil, errors.Join(err, s.guard.Dismiss())
	}
	return s, nil
}

// removePrepared removes what waits there, if anything does: one base backup can.
func (p place) removePrepared() (text string, err error) {
	b, held, err := p.findPrepared()
	if b == nil {
		return "", err
	}
	s, err := adoptPrepared(p, held)
	if err != nil {
		return "", errors.Join(err, held.Close())
	}
	return b.String(), s.remove(context.Background())
}
