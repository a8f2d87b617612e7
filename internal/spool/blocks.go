package spool

import (
	"math"
	"os"
	"slices"
	"sync"

	"github.com/PlakarKorp/integration-postgresql/internal/tempfile"
)

// block is a place of blockSize bytes in a file.
type block struct {
	file *os.File
	at   int64
}

// blocks are places to write to, over and over: for what plakar does not read, which is most of
// a backup where little has changed, no page is allocated and freed. Those in memory come first.
type blocks struct {
	mu     sync.Mutex
	stores []*store
}

// store is one file.
type store struct {
	open func() (*os.File, error)
	file *os.File // nil before the first block
	free []int64  // positions of blocks, the one that was used last behind
	size int64    // of the file, in blocks
	most int64    // of size
}

// newBlocks has the first inMemory blocks in memory, and any number in a file of dir.
func newBlocks(dir *tempfile.Dir, inMemory int64) *blocks {
	return &blocks{stores: []*store{
		{open: openMemory, most: inMemory},
		{open: func() (*os.File, error) {
			f, err := dir.Create()
			if err != nil {
				return nil, err
			}
			return f.File, nil
		}, most: math.MaxInt64 / blockSize},
	}}
}

// take finds a place that nobody uses. An error is one of making the last file.
func (b *blocks) take() (block, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	var err error
	for _, s := range b.stores {
		if len(s.free) == 0 {
			err = s.grow()
		}
		if n := len(s.free) - 1; n >= 0 {
			at := s.free[n]
			s.free = s.free[:n]
			return block{s.file, at}, nil
		}
	}
	return block{}, err
}

// grow adds a block, if it may.
func (s *store) grow() (err error) {
	if s.size >= s.most {
		return nil
	}
	if s.file == nil {
		if s.file, err = s.open(); err != nil {
			return err
		}
	}
	s.free = append(s.free, s.size*blockSize)
	s.size++
	return nil
}

func (b *blocks) giveBack(places []block) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, place := range slices.Backward(places) {
		for _, s := range b.stores {
			if s.file == place.file {
				s.free = append(s.free, place.at)
			}
		}
	}
}
