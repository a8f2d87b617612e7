package physical

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"hash"
	"hash/crc32"
	"io"

	"github.com/PlakarKorp/integration-postgresql/internal/backupmanifest"
)

// checksums are made of a file's content while it passes.
type checksums struct {
	size int64
	crc  hash.Hash32
	sha  hash.Hash // nil unless the identity is needed
}

func newChecksums() *checksums { return &checksums{crc: crc32.New(crc32.MakeTable(crc32.Castagnoli))} }

// withIdentity prepares the identity of a file of the cluster with systemID.
func (s *checksums) withIdentity(systemID string) *checksums {
	s.sha = sha256.New()
	_, _ = io.WriteString(s.sha, systemID+"\x00")
	return s
}

// Write implements io.Writer; it never fails.
func (s *checksums) Write(p []byte) (int, error) {
	s.size += int64(len(p))
	_, _ = s.crc.Write(p)
	if s.sha != nil {
		_, _ = s.sha.Write(p)
	}
	return len(p), nil
}

func (s *checksums) file() backupmanifest.Sum {
	return backupmanifest.Sum{Size: s.size, CRC: s.crc.Sum32()}
}

// identity is a device and an inode number. plakar takes a file from the previous
// snapshot, without reading it, if these and what else stat tells are the same;
// time and size alone do not change with every change of a page.
type identity struct{ dev, ino uint64 }

// identity is that of the content that has passed.
func (s *checksums) identity() identity { return newIdentity(s.sha.Sum(nil)) }

// newIdentity makes an identity of 16 bytes or more.
func newIdentity(b []byte) identity {
	return identity{dev: binary.BigEndian.Uint64(b), ino: binary.BigEndian.Uint64(b[8:])}
}

// uniqueIdentity is one that no file had before.
func uniqueIdentity() identity {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails, see crypto/rand
	return newIdentity(b[:])
}
