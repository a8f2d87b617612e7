package backupmanifest

import (
	"hash/maphash"
	"math/bits"
)

// Sum is what a file is compared by.
type Sum struct {
	Size int64  // bytes
	CRC  uint32 // CRC32C
}

// SameCRC reports whether the checksum is want's. A big-endian server writes it the
// other way round.
func (s Sum) SameCRC(want Sum) bool {
	return s.CRC == want.CRC || s.CRC == bits.ReverseBytes32(want.CRC)
}

// SumSet keeps the sums of files by name. A cluster may have millions of files: what is
// kept of each has no pointers and takes 20 bytes. It does not keep the names.
type SumSet struct {
	seed maphash.Seed
	sums map[nameHash]packedSum
}

// NewSumSet returns an empty set.
func NewSumSet() *SumSet {
	return &SumSet{seed: maphash.MakeSeed(), sums: make(map[nameHash]packedSum)}
}

// Has reports whether the set has the file.
func (s *SumSet) Has(name string) bool {
	_, there := s.sums[s.hash(name)]
	return there
}

// Put adds a file, or replaces its sum.
func (s *SumSet) Put(name string, sum Sum) { s.sums[s.hash(name)] = sum.pack() }

// Take removes a file and returns its sum.
func (s *SumSet) Take(name string) (sum Sum, there bool) {
	hash := s.hash(name)
	packed, there := s.sums[hash]
	delete(s.sums, hash)
	return packed.unpack(), there
}

// Len is the number of files.
func (s *SumSet) Len() int { return len(s.sums) }

// nameHash stands for a name in the data directory. That two of a million names
// have the same is as likely as 1 in 30 millions. The backup then fails, and the
// next one has another seed. (An uint64 would be padded in the map.)
type nameHash [2]uint32

func (s *SumSet) hash(name string) nameHash {
	sum := maphash.String(s.seed, name)
	return nameHash{uint32(sum >> 32), uint32(sum)} // #nosec G115 -- the halves of it
}

// packedSum is a Sum in 12 bytes.
type packedSum [3]uint32

func (s Sum) pack() packedSum {
	return packedSum{uint32(s.Size >> 32), uint32(s.Size), s.CRC} // #nosec G115 -- the halves of it
}

func (p packedSum) unpack() Sum {
	return Sum{Size: int64(p[0])<<32 | int64(p[1]), CRC: p[2]}
}
