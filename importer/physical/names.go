package physical

import (
	"bufio"
	"bytes"
	"compress/flate"
	"errors"
	"fmt"
	"hash/maphash"
	"io"
)

// A cluster may have millions of files: what is kept of each has no pointers and
// few bytes.

// nameHash stands for a name in the data directory. That two of a million names
// have the same is as likely as 1 in 30 millions. The backup then fails, and the
// next one has another seed. (An uint64 would be padded in the map.)
type nameHash [2]uint32

var nameSeed = maphash.MakeSeed()

func hashName(name string) nameHash {
	sum := maphash.String(nameSeed, name)
	return nameHash{uint32(sum >> 32), uint32(sum)} // #nosec G115 -- the halves of it
}

// packedSum is a fileSum in 12 bytes.
type packedSum [3]uint32

func (s fileSum) pack() packedSum {
	return packedSum{uint32(s.size >> 32), uint32(s.size), s.crc} // #nosec G115 -- the halves of it
}

func (p packedSum) unpack() fileSum {
	return fileSum{size: int64(p[0])<<32 | int64(p[1]), crc: p[2]}
}

// nameLog keeps names, compressed, for a message that has to give some of them.
type nameLog struct {
	text   bytes.Buffer
	writer *flate.Writer
}

func (l *nameLog) add(name string) error {
	if l.writer == nil {
		var err error
		if l.writer, err = flate.NewWriter(&l.text, flate.BestSpeed); err != nil {
			return err
		}
	}
	_, err := io.WriteString(l.writer, name+"\x00") // which no name holds
	return err
}

// each passes all names to use, in order. No name can be added after that.
func (l *nameLog) each(use func(name string)) error {
	if l.writer == nil {
		return nil
	}
	if err := l.writer.Close(); err != nil {
		return fmt.Errorf("the names of the files: %w", err)
	}
	r := bufio.NewReader(flate.NewReader(bytes.NewReader(l.text.Bytes())))
	for {
		name, err := r.ReadString(0)
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return fmt.Errorf("the names of the files: %w", err)
		}
		use(name[:len(name)-1])
	}
}
