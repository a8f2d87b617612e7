package physical

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"hash"
	"hash/crc32"
	"io"
	"runtime"

	"github.com/zeebo/blake3"

	"github.com/PlakarKorp/integration-postgresql/internal/backupmanifest"
)

// checksums are made of a file's content while it passes.
type checksums struct {
	size int64
	crc  hash.Hash32
	id   hash.Hash // nil unless the identity is needed
}

func newChecksums() *checksums { return &checksums{crc: crc32.New(crc32.MakeTable(crc32.Castagnoli))} }

// newIdentityHash is the hash behind identities: what makes most of the plugin's own work where
// nothing has changed. Go's SHA-256 uses the processors' instructions for it; BLAKE3 is twice as fast
// with AVX2, and many times where a processor has no such instructions, but is in assembly for amd64 only.
// See docs/benchmarks.md. Another hash only means that the next backup reads all files.
func newIdentityHash() hash.Hash {
	if runtime.GOARCH == "amd64" {
		return blake3.New()
	}
	return sha256.New()
}

// withIdentity prepares the identity of a file of the cluster with systemID. h is for this file
// until its identity was taken.
func (s *checksums) withIdentity(h hash.Hash, systemID string) {
	s.id = h
	s.id.Reset()
	_, _ = io.WriteString(s.id, systemID+"\x00")
}

// Write implements io.Writer; it never fails.
func (s *checksums) Write(p []byte) (int, error) {
	s.size += int64(len(p))
	_, _ = s.crc.Write(p)
	if s.id != nil {
		_, _ = s.id.Write(p)
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
func (s *checksums) identity() identity { return newIdentity(s.id.Sum(nil)) }

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
