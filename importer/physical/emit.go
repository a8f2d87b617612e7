package physical

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"log/slog"
	"path"
	"time"

	"github.com/PlakarKorp/kloset/connectors"
	"github.com/PlakarKorp/kloset/objects"

	"github.com/PlakarKorp/integration-postgresql/internal/progress"
	"github.com/PlakarKorp/integration-postgresql/internal/replication"
	"github.com/PlakarKorp/integration-postgresql/internal/spool"
)

// recordEmitter turns the archives of one backup into records.
type recordEmitter struct {
	ctx      context.Context
	emit     func(*connectors.Record) error
	spool    *spool.Spool
	systemID string
	layout   layout
	started  time.Time

	check       *verifier
	config      []string        // configuration files that have not come yet, by name in the data directory
	directories map[string]bool // paths of the directories and tablespace links that were sent
	owner       *tar.Header     // an entry whose owner is that of the data directory
	group       bool            // the owner's group may read the data directory (initdb --allow-group-access)
	received    progress.Counter
	block       []byte    // for files that are passed on while they are read
	hash        hash.Hash // for the identity of one file after the other
}

// blockSize is what is read of a file at once, in bytes.
const blockSize = 1 << 20

func newRecordEmitter(ctx context.Context, emit func(*connectors.Record) error, sp *spool.Spool, systemID string, tablespaces []replication.Tablespace) *recordEmitter {
	return &recordEmitter{
		ctx: ctx, emit: emit, spool: sp, systemID: systemID, layout: newLayout(tablespaces), started: time.Now(),
		check: newVerifier(systemID), directories: make(map[string]bool), block: make([]byte, blockSize),
		hash: newIdentityHash(),
	}
}

// run sends everything that the archives hold.
func (s *recordEmitter) run(from archives) error {
	for {
		a, err := from.Next()
		switch {
		case errors.Is(err, io.EOF):
			return s.layout.checkTablespaces(s.directories)
		case err != nil:
			return err
		}
		a.Reader = s.received.Reader(a.Reader)
		switch {
		case a.Name == replication.ManifestName && s.owner != nil:
			err = s.manifest(-1, a) // its size is not announced
		default:
			err = s.archive(a)
		}
		if err != nil {
			return err
		}
	}
}

// archive sends the entries of one archive.
func (s *recordEmitter) archive(a replication.Archive) error {
	entries := tar.NewReader(a)
	for {
		header, err := entries.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("reading %s of the base backup: %w", a.Name, err)
		}
		if err := s.emitRoot(header); err != nil {
			return err
		}
		if err := s.entry(a.Name, header, entries); err != nil {
			return err
		}
	}
}

// emitRoot sends the data directory itself before the first entry, which tells whose
// it is and whether the group may read it: all that a server makes is alike in that.
func (s *recordEmitter) emitRoot(header *tar.Header) error {
	if s.owner != nil {
		return nil
	}
	s.owner, s.group = header, header.Mode&0o040 != 0
	return s.directory("/", s.headerFor(s.mode(0o750), s.started))
}

// mode is a mode of an entry of ours, for whom the cluster lets read.
func (s *recordEmitter) mode(mode int64) int64 {
	if s.group {
		return mode
	}
	return mode &^ 0o070
}

// headerFor is the header of an entry of ours, which belongs to the owner of the data
// directory.
func (s *recordEmitter) headerFor(mode int64, modified time.Time) *tar.Header {
	return &tar.Header{
		Mode: mode, ModTime: modified,
		Uid: s.owner.Uid, Gid: s.owner.Gid, Uname: s.owner.Uname, Gname: s.owner.Gname,
	}
}

// entry sends one entry of an archive.
func (s *recordEmitter) entry(archive string, header *tar.Header, content io.Reader) error {
	p, err := s.layout.resolve(archive, header.Name)
	if err != nil {
		return err
	}
	if p.tablespace != "" {
		if known, err := s.tablespace(p, header); err != nil || !known {
			return err
		}
	}
	switch header.Typeflag {
	case tar.TypeReg:
		if p.name == replication.ManifestName {
			return s.manifest(header.Size, content)
		}
		return s.file(p, header, content)
	case tar.TypeDir:
		if p.path == "" || p.link {
			return nil
		}
		return s.directory(p.path, header)
	case tar.TypeSymlink:
		if p.path == "" || p.link {
			return nil
		}
		return s.emit(s.record(p.path, fs.ModeSymlink, header, identity{}).to(header.Linkname))
	}
	return fmt.Errorf("the server sent %q, which is neither a file, a directory nor a symbolic link", header.Name)
}

// tablespace sends the directory of the tablespace that p belongs to, and the link
// to it, once. A link to a tablespace that the backup does not have is left out:
// on the server's own machine it would lead into the running cluster.
func (s *recordEmitter) tablespace(p destination, header *tar.Header) (known bool, err error) {
	if _, listed := s.layout.hasArchive[p.tablespace]; !listed && p.link && header.Typeflag == tar.TypeSymlink {
		slog.Warn(fmt.Sprintf("the tablespace %s was made while the backup began and is not in it", p.tablespace))
		return false, nil
	}
	link := path.Join("/", linkDir, p.tablespace)
	if s.directories[link] {
		return true, nil
	}
	s.directories[link] = true
	for _, dir := range []string{"", p.tablespace} {
		if err := s.directory(path.Join("/", tablespaceDir, dir), s.headerFor(s.mode(0o750), header.ModTime)); err != nil {
			return false, err
		}
	}
	target := path.Join("..", tablespaceDir, p.tablespace)
	return true, s.emit(s.record(link, fs.ModeSymlink, s.headerFor(0o777, header.ModTime), identity{}).to(target))
}

// directory sends a directory, once.
func (s *recordEmitter) directory(pathname string, header *tar.Header) error {
	if s.directories[pathname] {
		return nil
	}
	s.directories[pathname] = true
	return s.emit(s.record(pathname, fs.ModeDir, header, identity{}).Record)
}

// record describes an entry to plakar.
func (s *recordEmitter) record(pathname string, kind fs.FileMode, header *tar.Header, id identity) record {
	size := header.Size
	if kind != 0 {
		size = 0
	}
	return record{&connectors.Record{Pathname: pathname, FileInfo: objects.FileInfo{
		Lname: path.Base(pathname), Lsize: size, Lmode: kind | fs.FileMode(header.Mode&0o777), // #nosec G115 -- 9 bits
		LmodTime: header.ModTime, Ldev: id.dev, Lino: id.ino, Lnlink: 1,
		Luid: uint64(header.Uid), Lgid: uint64(header.Gid), // #nosec G115 -- not negative in a tar header
		Lusername: header.Uname, Lgroupname: header.Gname,
	}}}
}

type record struct{ *connectors.Record }

// to makes it a symbolic link.
func (r record) to(target string) *connectors.Record {
	r.Target = target
	return r.Record
}

// with gives it content.
func (r record) with(content io.ReadCloser) *connectors.Record {
	r.Reader = content
	return r.Record
}
